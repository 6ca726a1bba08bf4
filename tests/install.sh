# For tests/run.sh and .ci/run: what the tests need, installed by apt, or named where there is no apt.

say() { echo "tests: $*" >&2; }
stop() { say "$*"; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        stop "neither root nor sudo to run: $*"
    fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -qq "$@" >&2; }

# Some other source of this machine may be out of reach; what follows says what is really missing.
apt_update() { apt update || say "apt-get update did not reach every source"; }

need_cargo() {
    command -v cargo >/dev/null || { [ ! -f "$HOME/.cargo/env" ] || . "$HOME/.cargo/env"; }
    command -v cargo >/dev/null || stop "cargo is missing; install Rust from https://rustup.rs"
}

need_linker() {
    if ! command -v cc >/dev/null && [ "$(uname -s)" = Linux ]; then
        command -v apt-get >/dev/null || stop "install a C compiler: cargo links with cc"
        say "installing gcc, which cargo links with"
        apt_update
        apt install --no-install-recommends gcc libc6-dev
    fi
}

# "URI|SIGNED-BY" of the first apt source with the suite $1 in the folder $2 (/etc/apt), in either of apt's two formats.
apt_source() {
    local files=() file
    for file in "$2"/sources.list.d/*.sources "$2"/sources.list "$2"/sources.list.d/*.list; do
        [ ! -r "$file" ] || files+=("$file")
    done
    [ ${#files[@]} -gt 0 ] || return 0
    awk -v suite="$1" '
        function finish(  i, n, s) {
            n = split(suites, s, " ")
            for (i = 1; i <= n; i++) if (s[i] == suite && uri != "" && types ~ /(^| )deb( |$)/ && !off && !found) {
                print uri "|" key
                found = 1
            }
            types = suites = uri = key = off = ""
        }
        FNR == 1 { finish(); deb822 = FILENAME ~ /\.sources$/ }
        /^[ \t]*#/ { next }
        deb822 && /^[ \t]*$/ { finish(); next }
        deb822 && /^Types:/ { sub(/^[^:]*:[ \t]*/, ""); types = $0 }
        deb822 && /^Suites:/ { sub(/^[^:]*:[ \t]*/, ""); suites = $0 }
        deb822 && /^URIs:/ { uri = $2 }
        deb822 && /^Signed-By:/ { key = $2 }
        deb822 && /^Enabled:[ \t]*no/ { off = 1 }
        !deb822 && $1 == "deb" {
            line = $0; options = ""
            if (match(line, /\[[^]]*\]/)) {
                options = substr(line, RSTART + 1, RLENGTH - 2)
                line = substr(line, 1, RSTART - 1) substr(line, RSTART + RLENGTH)
            }
            split(line, f, " ")
            types = "deb"; uri = f[2]; suites = f[3]
            if (match(options, /signed-by=[^ ]+/)) key = substr(options, RSTART + 10, RLENGTH - 10)
            finish()
        }
        END { finish() }' "${files[@]}"
}

# Adds bookworm-backports at the mirror that bookworm itself comes from, unless it is there. Fails without a trace.
need_backports() {
    local suite=bookworm-backports list=/etc/apt/sources.list.d/residua-backports.sources found uri key
    [ -z "$(apt_source $suite /etc/apt)" ] || return 0
    found=$(apt_source bookworm /etc/apt)
    [ -n "$found" ] || return 1
    uri=${found%%|*}
    key=${found#*|}
    say "adding $suite from $uri"
    {
        printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$suite"
        [ -z "$key" ] || printf 'Signed-By: %s\n' "$key"
    } | as_root tee "$list" >/dev/null
    # An error of this source alone is an error here, unlike in apt_update.
    if ! apt update -o Dir::Etc::sourcelist="$list" -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0; then
        say "the mirror does not carry $suite"
        as_root rm -f "$list"
        return 1
    fi
}

# A software Vulkan driver: Mesa's lavapipe.
need_vulkan() {
    command -v apt-get >/dev/null || stop "no adapter: install a Vulkan loader and a driver. In software: \
mesa-vulkan-swrast vulkan-loader (Alpine), mesa-vulkan-drivers vulkan-loader (Fedora), vulkan-swrast vulkan-icd-loader (Arch)"
    say "no adapter is here: installing a software Vulkan driver"
    local from=() id
    id=$(. /etc/os-release && echo "${ID:-}-${VERSION_ID:-}")
    apt_update
    if [ "$id" = debian-12 ]; then
        # Mesa 22.3 works, ten times slower than 25.
        if need_backports; then from=(-t bookworm-backports); else say "taking bookworm's own Mesa, which is slow"; fi
    fi
    apt install --no-install-recommends "${from[@]}" mesa-vulkan-drivers libvulkan1
}
