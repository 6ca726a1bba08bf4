#!/usr/bin/env bash
# Residua beside PyTorch on the processor and beside ncnn on Vulkan. Exit code 1 when one is under half their speed, or when
# gradients cost too much.
#
#   benches/peers/run.sh                    PYTHON=... takes another Python than python3
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --example peer

python=${PYTHON:-python3}
if ! "$python" -c 'import ncnn, numpy, safetensors, torch' 2>/dev/null; then
    venv=${CARGO_TARGET_DIR:-target}/peers
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    python=$venv/bin/python
    "$python" -m pip install --quiet ncnn numpy safetensors torch
fi

failed=0
"$python" benches/peers/torch_cpu.py || failed=1
"$python" benches/peers/torch_gradient.py || failed=1
"$python" benches/peers/ncnn_conv.py || failed=1
exit $failed
