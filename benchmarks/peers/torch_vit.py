"""The Vision Transformer of `mixup_jax.models.vit` in PyTorch: its defaults, parameters under timm's names and shapes.

Attention is `scaled_dot_product_attention`, the fused kernel; one product makes queries, keys and values.
"""

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Let each token look at all tokens, with several heads."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the tokens gather, (batch, tokens, width) as they are."""
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        gathered = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(gathered.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """Two fully connected layers with GELU between them."""

    def __init__(self, width: int):
        super().__init__()
        self.fc1, self.fc2, self.gelu = nn.Linear(width, 4 * width), nn.Linear(4 * width, width), nn.GELU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply both."""
        return self.fc2(self.gelu(self.fc1(x)))


class Block(nn.Module):
    """Add attention over the normalised tokens to them, then an MLP over each normalised token."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.attn, self.mlp = Attention(width, heads), MLP(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the block."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """Turn each patch into a token by a convolution as large as its stride."""

    def __init__(self, channels: int, width: int, patch: int):
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, patch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the tokens (batch, tokens, width)."""
        return self.proj(x).flatten(2).transpose(1, 2)


class ViT(nn.Module):
    """Classify images (NCHW) by a class token."""

    def __init__(self, classes: int, width: int, depth: int, heads: int, patch: int, *, size: int = 32):
        super().__init__()
        self.patch_embed = PatchEmbed(3, width, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (size // patch) ** 2, width))
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width, 1e-6), nn.Linear(width, classes)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of a batch of images."""
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.patch_embed(x)], dim=1) + self.pos_embed
        return self.head(self.norm(self.blocks(x)[:, 0]))
