"""ImageNet, streamed from disk: preparing it, reading it, decoding and cropping."""
