"""The manifest for GKE: fields that Kubernetes and JobSet know, and what must hold between them."""

from pathlib import Path

import pytest
import yaml

from experiments.commands.command_line import parse
from experiments.imagenet import __main__ as imagenet
from experiments.imagenet.presets import ImageNet

ROOT = Path(__file__).parents[1]
LAUNCHING = ROOT / "docs" / "launching"
JOBS = {name: (text, ImageNet(config)) for name, (text, config) in imagenet.PRESETS.items()}
OBJECTS = {each["kind"]: each for each in yaml.safe_load_all((LAUNCHING / "jobset.yaml").read_text())}
JOB_SET = OBJECTS["JobSet"]["spec"]
(HOSTS,) = JOB_SET["replicatedJobs"]
JOB = HOSTS["template"]["spec"]
POD = JOB["template"]["spec"]
(CONTAINER,) = POD["containers"]
FIELDS = {  # what the schemas have of each, as far as we use it: an unknown field is refused, or dropped without a word
    "ServiceAccount": (OBJECTS["ServiceAccount"], {"apiVersion", "kind", "metadata"}),
    "claim": (
        OBJECTS["PersistentVolumeClaim"]["spec"],
        {"accessModes", "resources", "storageClassName", "volumeMode", "volumeName"},
    ),
    "JobSet": (
        JOB_SET,
        {"replicatedJobs", "failurePolicy", "successPolicy", "network", "suspend", "ttlSecondsAfterFinished"},
    ),
    "failurePolicy": (JOB_SET["failurePolicy"], {"maxRestarts", "rules", "restartStrategy"}),
    "rule": (
        JOB_SET["failurePolicy"]["rules"][0],
        {"name", "action", "onJobFailureReasons", "targetReplicatedJobs"},
    ),
    "replicatedJob": (HOSTS, {"name", "replicas", "template", "groupName", "dependsOn"}),
    "Job": (
        JOB,
        {"parallelism", "completions", "completionMode", "backoffLimit", "podFailurePolicy", "template", "suspend"},
    ),
    "Pod": (
        POD,
        {
            "restartPolicy",
            "serviceAccountName",
            "terminationGracePeriodSeconds",
            "nodeSelector",
            "containers",
            "volumes",
        },
    ),
    "container": (
        CONTAINER,
        {"name", "image", "workingDir", "command", "args", "env", "ports", "resources", "volumeMounts"},
    ),
}
"""Derived from the CRD of JobSet (v1alpha2, commit 08dfbdf) and the schema of Kubernetes 1.35: against both of them the
manifest was checked whole on 2026-11-29."""


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_one_that_there_is(name):
    found, known = FIELDS[name]
    assert found.keys() <= known


def test_it_runs_a_command_of_ours_on_each_host_of_its_slice():
    assert CONTAINER["command"][:3] == ["python", "-m", "experiments.imagenet"]
    words = [word.replace("gs://BUCKET", "gs://mine") for word in CONTAINER["command"][3:] + CONTAINER["args"]]
    _, job = parse("imagenet", "", JOBS, imagenet.DEFAULT, words)
    assert job.launch.checkpoints == "gs://mine/resnet50-mixup"
    assert job.launch.workers > 0
    rows, columns = map(int, POD["nodeSelector"]["cloud.google.com/gke-tpu-topology"].split("x"))
    chips = CONTAINER["resources"]["limits"]["google.com/tpu"]
    assert JOB["parallelism"] == JOB["completions"] == rows * columns // chips
    assert JOB["completionMode"] == "Indexed"


def test_its_volumes_are_there_and_what_all_hosts_may_write_is_for_many():
    mounts = {each["mountPath"]: each["name"] for each in CONTAINER["volumeMounts"]}
    volumes = {each["name"]: each for each in POD["volumes"]}
    assert set(mounts.values()) == volumes.keys()
    assert volumes[mounts["/dev/shm"]]["emptyDir"]["medium"] == "Memory"  # a container's own 64 MiB are too few
    claim = OBJECTS["PersistentVolumeClaim"]
    assert volumes[mounts["/runs"]]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_bad_input_is_not_started_again():
    (rule,) = JOB["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"] == {"containerName": CONTAINER["name"], "operator": "In", "values": [2]}
    (then,) = JOB_SET["failurePolicy"]["rules"]
    assert (then["action"], then["onJobFailureReasons"]) == ("FailJobSet", ["PodFailurePolicy"])
    assert POD["restartPolicy"] == "Never"  # which a podFailurePolicy needs


def test_its_account_is_there_and_its_folder_is_the_images():
    assert POD["serviceAccountName"] == OBJECTS["ServiceAccount"]["metadata"]["name"]
    assert f"WORKDIR {CONTAINER['workingDir']}" in (LAUNCHING / "Dockerfile").read_text().splitlines()


def test_the_image_copies_what_is_there_and_installs_what_the_readme_installs():
    lines = (LAUNCHING / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert copied
    assert all((ROOT / each).exists() for each in copied)
    assert "requirements.txt" in copied
