# What the worked examples share. Sourced by pipelines/NN_name/run, whose arguments are
#   run [--small] [--counterflow PROGRAM] OUT
# Sets out (the folder of results), small (true: a scan of a second, for tests), here (the example), root (the project), and puts
# the project's own `counterflow` before any other unless one is given.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
small=false
program=
while [ $# -gt 1 ]; do
  case $1 in
    --small) small=true ;;
    --counterflow) program=$2; shift ;;
    *) break ;;
  esac
  shift
done
if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
  echo "usage: $0 [--small] [--counterflow PROGRAM] OUT" >&2
  exit 2
fi
out=$1
mkdir -p "$out"
for found in "$root/build/demo/bin/counterflow" "$root/build/release/bin/counterflow"; do
  if [ -z "$program" ] && [ -x "$found" ]; then program=$found; fi
done
counterflow() { "${program:-counterflow}" "$@"; }
say() { printf '\n%s\n' "$*"; }
