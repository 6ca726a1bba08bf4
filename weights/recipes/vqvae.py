"""`VQVAE` of MONAI GenerativeModels in PyTorch alone: the network, the keys, the config and the semantics.

    z = encode(x); indices = nearest codes; out = decode(codes of the indices)

Its quantiser learns by moving averages; here a code that nothing uses is besides put onto a random output of the encoder, and
the first batch gives the first codes.
"""
import torch
import torch.nn.functional as F
from torch import nn

import latent


def make_config(channels, widths, layers, codes, dim):
    """The arguments of `VQVAE`, under their names there, with a factor of 2 a level."""
    return {
        "_class_name": "monai.VQVAE", "spatial_dims": 2, "in_channels": channels, "out_channels": channels,
        "channels": list(widths), "num_res_channels": list(widths), "num_res_layers": layers,
        "downsample_parameters": [[2, 4, 1, 1]] * len(widths), "upsample_parameters": [[2, 4, 1, 1, 0]] * len(widths),
        "num_embeddings": codes, "embedding_dim": dim}


class Conv(nn.Module):
    """A convolution under the key `conv`, and ReLU if `act`."""

    def __init__(self, conv, act):
        super().__init__()
        self.conv, self.act = conv, act

    def forward(self, x):
        x = self.conv(x)
        return F.relu(x) if self.act else x


class Residual(nn.Module):
    """relu(x + conv(relu(conv(x))))."""

    def __init__(self, width, inner):
        super().__init__()
        self.conv1 = Conv(nn.Conv2d(width, inner, 3, padding=1), True)
        self.conv2 = Conv(nn.Conv2d(inner, width, 3, padding=1), False)

    def forward(self, x):
        return F.relu(x + self.conv2(self.conv1(x)))


class Half(nn.Module):
    """The encoder or the decoder: numbered blocks one after another."""

    def __init__(self, blocks):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


class Codes(nn.Module):
    """The codebook with its moving averages."""

    def __init__(self, count, dim, decay=0.99, epsilon=1e-5):
        super().__init__()
        self.decay, self.epsilon = decay, epsilon
        self.embedding = nn.Embedding(count, dim)
        self.embedding.weight.requires_grad_(False)
        self.register_buffer("ema_cluster_size", torch.zeros(count))
        self.register_buffer("ema_w", self.embedding.weight.clone())

    def nearest(self, z):
        """Indices (n, h, w) of the codes nearest to latents (n, d, h, w)."""
        flat, e = z.movedim(1, -1), self.embedding.weight
        with torch.autocast("cpu", enabled=False):
            distance = flat.square().sum(-1, keepdim=True) + e.square().sum(1) - 2 * flat @ e.T
        return torch.max(-distance, -1).indices

    @torch.no_grad()
    def learn(self, z, indices):
        """One step of the moving averages; codes of less than a fiftieth of an even share are placed anew."""
        flat, count = z.movedim(1, -1).flatten(0, 2), len(self.embedding.weight)
        if not self.ema_cluster_size.any():
            self.place(torch.arange(count), flat, len(flat) / count)
            return
        chosen = F.one_hot(indices.flatten(), count).to(flat.dtype)
        self.ema_cluster_size.mul_(self.decay).add_(chosen.sum(0), alpha=1 - self.decay)
        self.ema_w.mul_(self.decay).add_(chosen.T @ flat, alpha=1 - self.decay)
        total = self.ema_cluster_size.sum()
        dead = torch.nonzero(self.ema_cluster_size < 0.02 * total / count)[:, 0]
        if len(dead):
            self.place(dead, flat, float(total / count) * 0.2)
        weights = (self.ema_cluster_size + self.epsilon) / (total + count * self.epsilon) * total
        self.embedding.weight.copy_(self.ema_w / weights[:, None])

    def place(self, which, flat, size):
        """The codes of these indices onto random latents of `flat`, each counted as `size` latents."""
        fresh = flat[torch.randint(len(flat), (len(which),))]
        self.embedding.weight[which] = fresh
        self.ema_w[which], self.ema_cluster_size[which] = fresh * size, size


class Quantizer(nn.Module):
    """What gives the codebook its key."""

    def __init__(self, codes):
        super().__init__()
        self.quantizer = codes


class VQVAE(nn.Module):
    """encode, quantize, decode; images (n, c, h, w), latents (n, d, h / f, w / f)."""

    def __init__(self, cfg):
        super().__init__()
        self.config = cfg
        widths, inner, layers = cfg["channels"], cfg["num_res_channels"], cfg["num_res_layers"]
        down, up, before = [], [], cfg["in_channels"]
        for width, r, (stride, kernel, dilation, padding) in zip(widths, inner, cfg["downsample_parameters"]):
            down.append(Conv(nn.Conv2d(before, width, kernel, stride, padding, dilation), True))
            down += [Residual(width, r) for _ in range(layers)]
            before = width
        down.append(Conv(nn.Conv2d(before, cfg["embedding_dim"], 3, padding=1), False))
        up.append(Conv(nn.Conv2d(cfg["embedding_dim"], before, 3, padding=1), False))
        last = len(widths) - 1
        for i, (stride, kernel, dilation, padding, more) in enumerate(cfg["upsample_parameters"]):
            width, after = widths[last - i], cfg["out_channels"] if i == last else widths[last - i - 1]
            up += [Residual(width, inner[last - i]) for _ in range(layers)]
            up.append(Conv(nn.ConvTranspose2d(width, after, kernel, stride, padding, more, dilation=dilation), i < last))
        self.encoder, self.decoder = Half(down), Half(up)
        self.quantizer = Quantizer(Codes(cfg["num_embeddings"], cfg["embedding_dim"]))

    def encode(self, x):
        """Latents before quantising."""
        return self.encoder(x)

    def quantize(self, z):
        """Indices of the nearest codes, and the codes as latents."""
        indices = self.quantizer.quantizer.nearest(z)
        return indices, self.look_up(indices)

    def look_up(self, indices):
        """Latents (n, d, h, w) of indices (n, h, w)."""
        return self.quantizer.quantizer.embedding(indices).movedim(-1, 1)

    def decode(self, z):
        """Images from latents, which are not quantised again."""
        return self.decoder(z)

    def forward(self, x):
        """The rebuilt images, with the gradient passed straight through the quantiser, and the mean squared commitment."""
        z = self.encode(x).float()
        indices, codes = self.quantize(z)
        if self.training:
            self.quantizer.quantizer.learn(z.detach(), indices)
        return self.decode(z + (codes - z).detach()), F.mse_loss(z, codes.detach())

    @torch.no_grad()
    def rescale(self, factor):
        """Multiplies the latents by a factor: another network with the same images."""
        codes = self.quantizer.quantizer
        for tensor in (*self.encoder.blocks[-1].conv.parameters(), codes.embedding.weight, codes.ema_w):
            tensor.mul_(factor)
        self.decoder.blocks[0].conv.weight.div_(factor)


def load(folder, weights=latent.WEIGHTS):
    """The network of a folder, in f32, for inference."""
    return latent.load(VQVAE, folder, weights)
