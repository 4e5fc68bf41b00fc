"""Images that fit into memory: CIFAR, Fashion-MNIST, digits, folders of images."""
