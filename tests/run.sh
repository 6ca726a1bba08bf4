#!/usr/bin/env bash
# Runs all tests, on a GPU or on a software one. Installs what they need on Debian and Ubuntu, elsewhere says what to install.
#
#   tests/run.sh [ARGUMENTS of cargo nextest run or cargo test]
#
# RESIDUA_GOLDENS=FOLDER takes other goldens than tests/goldens.
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/install.sh

need_cargo
need_linker
if [ -z "${XDG_RUNTIME_DIR:-}" ]; then
    # Without it, some Vulkan drivers complain on every start.
    XDG_RUNTIME_DIR=$(mktemp -d)
    export XDG_RUNTIME_DIR
    trap 'rm -rf "$XDG_RUNTIME_DIR"' EXIT
fi

if cargo nextest --version >/dev/null 2>&1; then
    nextest=yes
    cargo nextest run --no-run
else
    nextest=
    cargo test --no-run
fi

# The tests' own build answers whether there is an adapter: `cargo run` would build all dependencies again, as it leaves out those of the
# tests. Its output is kept from grep's early end (pipefail).
program=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/residua
has_adapter() {
    local devices
    devices=$("$program" devices --json) && grep -q '"software"' <<<"$devices"
}
if ! has_adapter; then
    need_vulkan
    if ! has_adapter; then
        say "there is still no adapter; what the loader says:"
        VK_LOADER_DEBUG=error,warn "$program" -vv devices >&2 || true
        exit 1
    fi
fi

export RESIDUA_REQUIRE_GPU=1
# Mesa's software driver compiles our shaders for minutes; without its optimisation passes it takes a quarter less.
export GALLIVM_PERF=${GALLIVM_PERF:-nopt}
# wgpu then allows nothing that a browser's WebGPU would not.
export WGPU_STRICT_WEBGPU_COMPLIANCE=1
if [ -n "$nextest" ]; then
    cargo nextest run "$@"
    # nextest runs no documentation tests.
    [ $# -gt 0 ] || cargo test --doc
else
    cargo test "$@"
fi
