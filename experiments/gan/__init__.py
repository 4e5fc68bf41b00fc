"""Figure 5: GANs trained with and without mixup."""
