# Says what a machine has, a line `name=value` each; changes nothing. Run by sh(1), whatever else there is.
# Its PATH begins with what `line` puts there: what follows is what a shell without a profile has.
ours="$HOME/.local/bin:/usr/local/bin:/opt/homebrew/bin:"
say() { printf '%s=%s\n' "$1" "$(printf %s "$2" | tr '\n' ' ')"; }

say uid "$(id -u)"
say user "$(id -un)"
say home "$HOME"
say kernel "$(uname -s)"
say login_shell "$(basename "${SHELL:-sh}")"
say apt "$(command -v apt-get)"
say brew "$(command -v brew)"
[ "$(id -u)" = 0 ] || say sudo "$(command -v sudo >/dev/null && sudo -n true 2>/dev/null && echo yes)"

for one in python3.14 python3.13 python3.12 python3.11 python3; do
    if "$one" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        say python "$(command -v "$one")"
        break
    fi
done
say any_python "$(python3 -V 2>&1 | grep '^Python')"
say git "$(git --version 2>/dev/null)"
say npm "$(command -v npm)"
say claude "$(claude --version 2>/dev/null </dev/null)"
say bwrap "$(bwrap --version 2>/dev/null)"
say userns "$(bwrap --unshare-user --ro-bind / / true 2>&1 && echo yes)"
say apparmor "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null)"

# The program: the link that people call, where it leads, and whether a shell without a profile finds it.
if [ "$(id -u)" = 0 ]; then link=/usr/local/bin/claude-workers; else link="$HOME/.local/bin/claude-workers"; fi
say link "$link"
[ -e "$link" ] || [ -L "$link" ] && say leads "$(readlink "$link" || echo "$link")"
say digest "$(cat "$(dirname "$(dirname "$(readlink "$link" || echo "$link")")")/digest" 2>/dev/null)"
say version "$("$link" --version 2>/dev/null)"
say host_name "$("$link" --local config host_name 2>/dev/null)"
say bare "$(PATH="${PATH#"$ours"}" command -v claude-workers)"

[ -d /run/systemd/system ] && say linger "$(loginctl show-user "$(id -un)" --property=Linger --value 2>/dev/null || echo no)"
exit 0
