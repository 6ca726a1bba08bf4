"""Writes tests/corpus/images, masks and volumes: what Pillow, tifffile and nibabel write of one picture, its masks, and one volume.

Run from the repository's root: python tests/reference/pictures.py

The picture has 24 columns and 18 rows; its pixel (x, y) has the colour (7x + 11y, 5x + 3y + 40, 9x + 2y + 90) modulo 256, its
gray is the first of these. The volume is that of `voxel` below.
"""
import gzip
import struct
from pathlib import Path

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image

root = Path("tests/corpus")
for kind in ["images", "masks", "volumes"]:
    (root / kind).mkdir(parents=True, exist_ok=True)

y, x = np.mgrid[:18, :24]
rgb = (np.stack([7 * x + 11 * y, 5 * x + 3 * y + 40, 9 * x + 2 * y + 90], axis=-1) % 256).astype(np.uint8)
gray = rgb[..., 0]


def tiffs():
    def write(name, values, **how):
        tifffile.imwrite(root / f"images/{name}.tif", values, metadata=None, software=False, **how)

    colour = {"photometric": "rgb"}
    planar = {"photometric": "rgb", "planarconfig": "separate"}
    fine = gray / 255
    write("gray", gray)
    write("gray-white-is-zero", 255 - gray, photometric="miniswhite")
    write("gray-16-big-endian", gray.astype(np.uint16) * 257, byteorder=">")
    write("gray-float64", fine)
    write("gray-float32-predictor", fine.astype(np.float32), compression="zlib", predictor=3, tile=(16, 16))
    write("gray-float64-predictor", fine, compression="zlib", predictor=3, byteorder=">")
    write("gray-float16", fine.astype(np.float16))
    for name in ["int16", "int32", "uint32"]:
        write(f"gray-{name}", gray.astype(name))
    write("rgb-strips", rgb, rowsperstrip=5, **colour)
    write("rgb-big", rgb, bigtiff=True, **colour)
    write("rgb-tiles", rgb, tile=(16, 16), **colour)
    write("rgb-planar-tiles", rgb.transpose(2, 0, 1), tile=(16, 16), **planar)
    write("rgb-predictor", rgb, compression="zlib", predictor=2, **colour)
    write("rgb-16-predictor", rgb.astype(np.uint16) * 257, compression="zlib", predictor=2, byteorder=">", **colour)
    half = np.dstack([rgb, np.full(gray.shape, 51, np.uint8)])
    write("rgb-alpha", half, extrasamples=["unassalpha"], **colour)
    write("rgb-extra", half, extrasamples=["unspecified"], **colour)
    write("zstandard", rgb, compression="zstd", **colour)
    with tifffile.TiffWriter(root / "images/rgb-thumbnail-first.tif") as file:
        file.write(rgb[::2, ::2], subfiletype=1, metadata=None, **colour)
        file.write(rgb, metadata=None, **colour)
    with tifffile.TiffWriter(root / "images/rgb-pages.tif") as file:
        for page in [rgb, rgb[::-1]]:
            file.write(page, metadata=None, **colour)
    picture = Image.fromarray(rgb)
    for compression in ["tiff_lzw", "packbits"]:
        picture.save(root / f"images/rgb-{compression}.tif", compression=compression)
    picture.save(root / "images/rgb-jpeg.tif", compression="jpeg", quality=100)
    # Turned back by what the tag asks for.
    Image.fromarray(np.rot90(rgb)).save(root / "images/rgb-orientation-6.tif", tiffinfo={274: 6})
    black = Image.fromarray(gray > 100)
    black.save(root / "images/bits-fax4.tif", compression="group4")
    black.save(root / "images/bits-fax3.tif", compression="group3")
    bits = "".join("".join(format(int(v) * 16, "012b") for v in row) for row in gray)
    data = int(bits, 2).to_bytes(len(bits) // 8, "big")
    tags = [(256, 24), (257, 18), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 18), (279, len(data))]
    ifd = b"".join(struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    where = struct.pack("<I", 8 + len(data))
    (root / "images/gray-12.tif").write_bytes(b"II*\0" + where + data + struct.pack("<H", len(tags)) + ifd + b"\0" * 4)


def jpegs():
    picture, wide = Image.fromarray(rgb), Image.fromarray(rgb).resize((72, 54))
    wide.save(root / "images/baseline.jpg", quality=90)
    wide.save(root / "images/progressive.jpg", quality=90, progressive=True)
    wide.save(root / "images/restarts.jpg", quality=90, restart_marker_blocks=2, subsampling=0)
    wide.convert("L").save(root / "images/gray-progressive.jpg", quality=90, progressive=True)
    picture.save(root / "images/stored-as-rgb.jpg", quality=100, keep_rgb=True)
    picture.convert("CMYK").save(root / "images/cmyk.jpg", quality=100)
    exif = Image.Exif()
    exif[274] = 8
    Image.fromarray(np.rot90(rgb, -1)).save(root / "images/orientation-8.jpg", quality=100, subsampling=0, exif=exif)


def masks():
    """All mark the same 72 pixels, the first 40 as one class and the others as another."""
    classes = np.zeros((18, 24), np.uint8)
    classes[3:8, 4:12] = 1
    classes[10:14, 14:22] = 2

    def palette(name, colours, **how):
        picture = Image.fromarray(classes, "P")
        picture.putpalette(sum(colours, []))
        picture.save(root / f"masks/{name}", **how)

    palette("palette-voc.png", [[0, 0, 0], [128, 0, 0], [0, 128, 0]])
    palette("palette-all-black.png", [[0, 0, 0]] * 3)
    palette("palette-transparent.png", [[255, 255, 255], [255, 0, 0], [0, 0, 255]], transparency=0)
    palette("palette-no-black.png", [[68, 1, 84], [33, 145, 140], [253, 231, 37]])
    tifffile.imwrite(root / "masks/labels-int32.tif", classes.astype(np.int32), metadata=None, software=False)
    np.save(root / "masks/labels-int64.npy", classes.astype(np.int64))
    ink = np.zeros((18, 24, 4), np.uint8)
    ink[..., 3] = (classes > 0) * 255
    Image.fromarray(ink).save(root / "masks/black-on-transparent.png")
    Image.fromarray(np.where(classes > 0, 255, 0).astype(np.uint8)).save(root / "masks/white.jpg", quality=75)
    Image.fromarray((classes * 2).astype(np.uint8)).save(root / "masks/dark.jpg", quality=75)
    Image.fromarray(np.where(classes > 0, 255, 0).astype(np.uint8)).save(root / "masks/white.webp", quality=60)


def voxel(shape=(6, 5, 4)):
    i, j, k = np.mgrid[: shape[0], : shape[1], : shape[2]]
    return (37 * i + 11 * j + 5 * k) % 100 + 1


def volumes():
    values = voxel()
    affine = np.array([[1.2, 0.1, 0, -30], [-0.1, 1.1, 0.2, 12], [0, -0.2, 2.5, 7], [0, 0, 0, 1]])
    labels = np.zeros(values.shape, np.uint8)
    labels[1:3, 2:4, 1] = 1
    labels[4, 1, 2] = 4

    def write(name, array, cls=nib.Nifti1Image, affine=affine, edit=lambda header: None):
        image = cls(array, affine, dtype=array.dtype)
        edit(image.header)
        nib.save(image, root / f"volumes/{name}")

    for name in ["int8", "uint16", "uint32", "int64", "float64"]:
        write(f"{name}.nii", values.astype(name))
    write("second.nii", values.astype(np.int16), cls=nib.Nifti2Image)
    write("second.nii.gz", values.astype(np.int16), cls=nib.Nifti2Image)
    write("pair.img", values.astype(np.int16), cls=nib.Nifti1Pair)
    header = nib.Nifti1Header(endianness=">")
    nib.save(nib.Nifti1Image(values.astype(np.int16), affine, header), root / "volumes/big-endian.nii")
    extended = nib.Nifti1Image(values.astype(np.int16), affine)
    extended.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"forty bytes of an extension, or so......"))
    nib.save(extended, root / "volumes/extension.nii")
    write("frame.nii", values.astype(np.int16)[..., None])
    colours = np.zeros(values.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    write("colours.nii", colours)
    # A volume's segmentation with its axes in every kind of order, by nibabel.
    write("p.nii", values.astype(np.int16))
    write("p-labels.nii.gz", labels)
    for code in ["LPS", "SRA", "ASL", "IRP"]:
        turn = nib.orientations.ornt_transform(
            nib.io_orientation(affine), nib.orientations.axcodes2ornt(tuple(code)))
        nib.save(nib.Nifti1Image(labels, affine).as_reoriented(turn), root / f"volumes/p-labels-{code}.nii.gz")
    moved = affine.copy()
    moved[0, 3] += 1
    write("p-labels-moved.nii.gz", labels, affine=moved)
    nowhere = nib.Nifti1Image(labels, None)
    nib.save(nowhere, root / "volumes/p-labels-nowhere.nii.gz")
    torn = nib.Nifti1Image(values.astype(np.int16), affine)
    torn.set_qform(moved @ np.diag([1, 1, -1, 1]), 1)
    torn.set_sform(affine, 1)
    nib.save(torn, root / "volumes/sform-and-qform.nii")


tiffs()
jpegs()
masks()
volumes()
