# Copyright (c) 2026 The vizgate authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of steps, for /bin/sh -eu; they are run as the app's owner."""

from __future__ import annotations

SUPERVISOR = r"""
umask 077
home=$1 app=$2
shift 2
cd "$home"
control() { supervisorctl -c "$home/etc/supervisord.conf" "$@"; }
"""

SUPERVISOR_PREPARE = r"""
number=$1 command=$2 release=$3 config=$4 program=$5
shift 5
mkdir -p etc/supervisor.d log run
[ -e etc/supervisord.conf ] || printf '%s\n' "$config" >etc/supervisord.conf
# the program's own file names no secret; what does is in the release's folder, which nobody else enters
{
    echo '#!/bin/sh'
    for name in "$@"; do
        eval "value=\$$name"
        printf "export %s='%s'\n" "$name" "$(printf '%s' "$value" | sed "s/'/'\\\\''/g")"
    done
    printf 'exec %s\n' "$command"
} >"$release/run"
chmod 0700 "$release/run"
printf '%s\n' "$program" >"etc/supervisor.d/$app.$number.kept"
"""

SUPERVISOR_START = r"""
file=etc/supervisor.d/$app.$1
[ ! -e "$file.kept" ] || mv "$file.kept" "$file.conf"
# it may just have been started itself
for _ in $(seq 100); do
    control pid >/dev/null && break
    sleep 0.1
done
control update "$app.$1"
case $(control status "$app.$1") in
*RUNNING* | *STARTING* | *BACKOFF*) ;;
*) control start "$app.$1" ;;
esac
"""

SUPERVISOR_RESTART = r"""
control restart "$app.$1"
"""

SUPERVISOR_RETIRE = r"""
file=etc/supervisor.d/$app.$1
[ ! -e "$file.conf" ] || mv "$file.conf" "$file.kept"
control update "$app.$1"
"""

SUPERVISOR_REMOVE = r"""
[ -d etc/supervisor.d ] || exit 0
for number in "$@"; do
    rm -f "etc/supervisor.d/$app.$number.conf" "etc/supervisor.d/$app.$number.kept"
    # it reads the files anew when it starts, should it be away
    control update "$app.$number" || true
done
"""

SUPERVISOR_SWEEP = r"""
current=$1 known=" $* "
[ -d etc/supervisor.d ] || exit 0
for file in etc/supervisor.d/"$app".*.conf etc/supervisor.d/"$app".*.kept; do
    [ -e "$file" ] || continue
    number=${file%.*}
    number=${number##*.}
    case $known in
    *" $number "*) [ "$number" = "$current" ] || [ "${file%.kept}" != "$file" ] || mv "$file" "${file%.conf}.kept" ;;
    *) rm "$file" ;;
    esac
    # likewise
    control update "$app.$number" || true
done
"""

SUPERVISOR_STATE = r"""
# its exit code is another for every state, and the state is what is read
control status "$app.$1" || true
"""

FETCH = r"""
umask 077
folder=$1 number=$2 repo=$3 version=$4 subdirectory=$5
mkdir -p "$folder/releases" "$folder/shared" "$folder/cache"
cd "$folder"
# up to version 0.3 the logs were elsewhere
[ ! -L log ] || rm log
mkdir -p log
export GIT_TERMINAL_PROMPT=0 GIT_HTTP_LOW_SPEED_LIMIT="${GIT_HTTP_LOW_SPEED_LIMIT:-1000}"
export GIT_HTTP_LOW_SPEED_TIME="${GIT_HTTP_LOW_SPEED_TIME:-60}"
export GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=20}"
case $repo in
/*) # git refuses a repository of somebody else's, and submodules by paths; the site has declared this one
    printf '[include]\npath = ~/.gitconfig\n[safe]\ndirectory = %s\ndirectory = %s/.git\n' "$repo" "${repo%/}" >gitconfig
    printf '[protocol "file"]\nallow = always\n' >>gitconfig
    export GIT_CONFIG_GLOBAL="$folder/gitconfig"
    ;;
esac
[ -d repo.git ] || git init --quiet --bare repo.git
git -C repo.git fetch --quiet --force --prune "$repo" '+refs/heads/*:refs/heads/*' '+refs/tags/*:refs/tags/*'
for name in "refs/tags/$version" "refs/heads/$version" "$version"; do
    commit=$(git -C repo.git rev-parse --verify --quiet "$name^{commit}") && break
done || commit=
[ -n "$commit" ] || { echo "version '$version' is no tag, branch or commit of $repo" >&2; exit 1; }
rm -rf "releases/$number"
git clone --quiet --no-checkout repo.git "releases/$number/src"
(
    cd "releases/$number/src"
    # where large files come from, and where relative addresses of submodules begin
    git remote set-url origin "$repo"
    git lfs install --local >/dev/null
    git checkout --quiet --detach "$commit"
    git submodule --quiet update --init --recursive
    find . -name .git -prune -exec rm -rf {} +
)
[ -d "releases/$number/src/$subdirectory" ] || { echo "there is no subdirectory '$subdirectory' in it" >&2; exit 1; }
printf '%s\n' "$commit" >"releases/$number/commit"
echo "commit $commit"
"""

BUILD = r"""
umask 077
release=$1 requirements=$2 server=$3 shared=$4 cache=$5 uv=$6 python=$7 conda=$8 environment=$9
shift 9
# the home is not written to here
export HOME=/tmp UV_CACHE_DIR="$cache/uv" RATTLER_CACHE_DIR="$cache/rattler"
# no links to the cache, to which the builds of later releases write
export UV_LINK_MODE=copy
[ -z "$requirements" ] || [ -f "$requirements" ] || { echo "there is no file '$requirements' in $PWD" >&2; exit 1; }
if [ -n "$environment" ]; then
    [ -f "$conda" ] || { echo "there is no $conda; role apps installs it" >&2; exit 1; }
    # paths in it are from where the environment file is
    pip=$environment.pip
    # the Python that is beside it has what it needs
    "${conda%/*}/python" -I "$conda" "$environment" "$release/env" "$pip"
else
    pip=
    "$uv" venv --quiet --python-preference only-system --python "$python" "$release/env"
fi
"$uv" pip install --compile-bytecode --python "$release/env/bin/python" \
    ${pip:+--requirements "$pip"} ${requirements:+--requirements "$requirements"} "$server"
for path in "$@"; do
    mkdir -p "$(dirname "$shared/$path")" "$(dirname "$path")"
    # what the first release brings along is what there is
    if [ ! -e "$shared/$path" ]; then
        if [ -d "$path" ]; then cp -a "$path" "$shared/$path"; else mkdir "$shared/$path"; fi
    fi
    rm -rf "$path"
    ln -s "$shared/$path" "$path"
done
# a file that does not compile may be one that nobody imports; the start will tell
"$release/env/bin/python" -m compileall -q . || true
"""

REMOVE = r"""
cd "$1/releases"
shift
rm -rf -- "$@"
"""

REMOVE_ALL = r"""
# no link of a user's leads this elsewhere: rm removes links, and follows none
rm -rf --one-file-system -- "$1"
# others may be in it
rmdir -- "${1%/*}" 2>/dev/null || true
"""

KEEP_DATA = r"""
[ -d "$1" ] || exit 0
cd "$1"
rm -rf -- releases repo.git gitconfig cache
# what has data in it stays
rmdir -- shared 2>/dev/null || true
cd ..
rmdir -- "$1" 2>/dev/null || true
"""

TAIL = r"""
tail -n "$2" -- "$1"
"""
