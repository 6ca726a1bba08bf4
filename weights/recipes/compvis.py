"""`AutoencoderKL` of CompVis' latent-diffusion in PyTorch alone: the network, the keys, the config and the semantics.

    mean, log variance = encode(x); out = decode(mean)

latent-diffusion's norms have 32 groups, always. For networks as narrow as these, that would be one channel a group, which takes
an image's brightness from it; so the config says `norm_num_groups` besides.
"""
import torch
import torch.nn.functional as F
from torch import nn

import latent


def make_config(size, channels, widths, layers, dim, groups=32):
    """The arguments of `AutoencoderKL`, under their names there, and `norm_num_groups`."""
    return {
        "_class_name": "compvis.AutoencoderKL", "embed_dim": dim, "norm_num_groups": groups,
        "ddconfig": {
            "double_z": True, "z_channels": dim, "resolution": size, "in_channels": channels, "out_ch": channels,
            "ch": widths[0], "ch_mult": [w // widths[0] for w in widths], "num_res_blocks": layers, "attn_resolutions": [],
            "dropout": 0.0}}


class Resnet(nn.Module):
    """norm, SiLU, conv, norm, SiLU, conv, + input."""

    def __init__(self, inside, outside, groups):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inside, 1e-6)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, outside, 1e-6)
        self.conv2 = nn.Conv2d(outside, outside, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inside, outside, 1) if inside != outside else None

    def forward(self, x):
        h = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        return h + (x if self.nin_shortcut is None else self.nin_shortcut(x))


class Attention(nn.Module):
    """Self-attention of one head over the pixels, with its residual."""

    def __init__(self, width, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, width, 1e-6)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(width, width, 1) for _ in range(4))

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (f(h).flatten(2).transpose(1, 2)[:, None] for f in (self.q, self.k, self.v))
        out = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2)
        return x + self.proj_out(out.reshape(x.shape))


class Middle(nn.Module):
    """Resnet, attention, resnet."""

    def __init__(self, width, groups):
        super().__init__()
        self.block_1, self.block_2 = Resnet(width, width, groups), Resnet(width, width, groups)
        self.attn_1 = Attention(width, groups)

    def forward(self, x):
        return self.block_2(self.attn_1(self.block_1(x)))


class Resample(nn.Module):
    """Half the size by a strided convolution of the right and the bottom padded, or twice by repetition and a convolution."""

    def __init__(self, width, up):
        super().__init__()
        self.up = up
        self.conv = nn.Conv2d(width, width, 3, padding=1) if up else nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x):
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else F.pad(x, (0, 1, 0, 1)))


class Level(nn.Module):
    """Resnets and perhaps a change of size, called `downsample` or `upsample`."""

    def __init__(self, inside, width, layers, groups, resample):
        super().__init__()
        self.block = nn.ModuleList([Resnet(inside if i == 0 else width, width, groups) for i in range(layers)])
        self.resample = resample
        if resample:
            setattr(self, resample, Resample(width, resample == "upsample"))

    def forward(self, x):
        for block in self.block:
            x = block(x)
        return getattr(self, self.resample)(x) if self.resample else x


class Encoder(nn.Module):
    """Images to twice as many channels as latents have."""

    def __init__(self, c, groups):
        super().__init__()
        widths, last = [c["ch"] * m for m in c["ch_mult"]], len(c["ch_mult"]) - 1
        self.conv_in = nn.Conv2d(c["in_channels"], c["ch"], 3, padding=1)
        self.down = nn.ModuleList([
            Level(widths[i - 1] if i else c["ch"], w, c["num_res_blocks"], groups, "downsample" if i < last else None)
            for i, w in enumerate(widths)])
        self.mid = Middle(widths[-1], groups)
        self.norm_out = nn.GroupNorm(groups, widths[-1], 1e-6)
        self.conv_out = nn.Conv2d(widths[-1], 2 * c["z_channels"], 3, padding=1)

    def forward(self, x):
        x = self.conv_in(x)
        for level in self.down:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.mid(x))))


class Decoder(nn.Module):
    """Latents to images; `up` counts from the widest images, and its last runs first."""

    def __init__(self, c, groups):
        super().__init__()
        widths, last = [c["ch"] * m for m in c["ch_mult"]], len(c["ch_mult"]) - 1
        self.conv_in = nn.Conv2d(c["z_channels"], widths[-1], 3, padding=1)
        self.mid = Middle(widths[-1], groups)
        self.up = nn.ModuleList([
            Level(widths[min(i + 1, last)], w, c["num_res_blocks"] + 1, groups, "upsample" if i else None)
            for i, w in enumerate(widths)])
        self.norm_out = nn.GroupNorm(groups, widths[0], 1e-6)
        self.conv_out = nn.Conv2d(widths[0], c["out_ch"], 3, padding=1)

    def forward(self, z):
        z = self.mid(self.conv_in(z))
        for level in reversed(self.up):
            z = level(z)
        return self.conv_out(F.silu(self.norm_out(z)))


class AutoencoderKL(nn.Module):
    """encode, decode; images (n, c, h, w), latents (n, d, h / f, w / f)."""

    def __init__(self, cfg):
        super().__init__()
        self.config = cfg
        c, groups, dim = cfg["ddconfig"], cfg.get("norm_num_groups", 32), cfg["embed_dim"]
        self.encoder, self.decoder = Encoder(c, groups), Decoder(c, groups)
        self.quant_conv = nn.Conv2d(2 * c["z_channels"], 2 * dim, 1)
        self.post_quant_conv = nn.Conv2d(dim, c["z_channels"], 1)

    def encode(self, x):
        """The mean, which is the mode, and the log variance of the latents."""
        mean, logvar = self.quant_conv(self.encoder(x)).chunk(2, 1)
        return mean, logvar.clamp(-30, 20)

    def decode(self, z):
        """Images of latents."""
        return self.decoder(self.post_quant_conv(z))

    def forward(self, x):
        """The images rebuilt from a draw of the latents, and the divergence of these from N(0, 1), summed over an image's values
        and averaged over the images."""
        mean, logvar = (v.float() for v in self.encode(x))
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).flatten(1).sum(1).mean()
        return self.decode(mean + (0.5 * logvar).exp() * torch.randn_like(mean)), kl

    @torch.no_grad()
    def rescale(self, factor):
        """Multiplies the latents by a factor: another network with the same images."""
        dim = self.config["embed_dim"]
        self.quant_conv.weight[:dim].mul_(factor)
        self.quant_conv.bias[:dim].mul_(factor)
        self.quant_conv.bias[dim:].add_(2 * torch.log(torch.as_tensor(factor)))
        self.post_quant_conv.weight.div_(factor)


def load(folder, weights=latent.WEIGHTS):
    """The network of a folder, in f32, for inference."""
    return latent.load(AutoencoderKL, folder, weights)
