#!/usr/bin/env bash
# Dependencies point one way: message < gadget < chain < engine < server; physics and geometry depend on nothing but arrays and
# small things; a gadget sees message, gadget, physics, geometry and reconstruction. Checked on the #include lines of every source.
# includes_test.sh SOURCE_DIR; with --self-test it must find the faults of a made-up tree.
set -euo pipefail

# What the sources of a folder may include, as prefixes; "core/*.h" (the root of core) goes without saying.
allowed() {
  case "$1" in
    core) echo "core/geometry/ core/physics/" ;;  # tests of core's own headers only
    core/geometry) echo "core/geometry/" ;;
    core/physics) echo "core/physics/" ;;
    core/reconstruction) echo "core/reconstruction/ core/gadget/ core/message/ core/geometry/ core/physics/" ;;
    core/message) echo "core/message/ core/geometry/ core/physics/" ;;
    core/gadget) echo "core/gadget/ core/message/ core/geometry/ core/physics/" ;;
    core/xml) echo "core/xml/ core/gadget/" ;;
    core/chain) echo "core/chain/ core/xml/ core/gadget/ core/message/ core/geometry/ core/physics/" ;;
    core/engine) echo "core/engine/ core/chain/ core/gadget/ core/message/ core/geometry/ core/physics/" ;;
    core/training) echo "core/training/ core/engine/ core/chain/ core/archive/ core/reconstruction/ core/gadget/ core/message/ core/geometry/ core/physics/" ;;
    core/archive) echo "core/archive/ core/xml/ core/gadget/ core/message/ core/geometry/ core/physics/" ;;
    core/server) echo "core/" ;;
    core/testing) echo "core/testing/ core/gadget/ core/message/ core/geometry/ core/physics/" ;;
    gadgets/*) echo "$1/ core/reconstruction/ core/gadget/ core/message/ core/geometry/ core/physics/" ;;
    pipelines/*) echo "core/ gadgets/ $1/ pipelines/simulator/" ;;
    tests | tests/*) echo "core/ gadgets/ pipelines/ tests/" ;;
    *) echo "" ;;
  esac
}

# Folder whose rule holds for a file: core/<x>, gadgets/<x>, pipelines/<x>.
layer() {
  local folder
  folder=$(dirname "$1")
  while [[ $folder == */*/* ]]; do folder=$(dirname "$folder"); done
  echo "$folder"
}

check() {
  cd "$1"
  local faults=0 file line include rules rule good
  while IFS=: read -r file line include; do
    rules=$(allowed "$(layer "$file")")
    # tests, what they share (test_*.h) and benchmarks may use the checkers and the test gadgets, and what stands above them in core
    if [[ $file == *_test.* || $file == */test_*.h || $file == *_benchmark.* ]]; then rules="$rules core/ tests/"; fi
    good=no
    [[ $include == core/*.h && $include != core/*/* ]] && good=yes
    for rule in $rules; do [[ $include == "$rule"* ]] && good=yes; done
    if [[ $good == no ]]; then
      echo "$file:$line: $(layer "$file") may not include \"$include\"; it may include: core/*.h $rules"
      faults=$((faults + 1))
    fi
  done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include=*.h --include=*.cpp --include=*.in \
    core gadgets pipelines tests |
    sed -E 's/^([^:]*:[0-9]+):[^"]*"([^"]*)".*/\1:\2/')
  # Libraries that stay behind one border each.
  while IFS=: read -r file line include; do
    case "$include:$file" in
      *CLI/*:pipelines/counterflow/main.cpp | *CLI/*:pipelines/counterflow/*options.* | *libxml/*:core/xml/* | *libxml/*:core/archive/* | *libxml/*:core/server/*) ;;
      *nlohmann/*:core/server/status_*.cpp | *nlohmann/*:core/server/watch/api.cpp) ;;
      *boost/beast/*:core/server/watch/http_server.cpp | *prometheus/*:core/server/watch/metrics.cpp) ;;
      *xraylib*:core/physics/* | *dlfcn*:core/chain/plugin.cpp | *:*_test.cpp) ;;
      *dcmtk/*:pipelines/counterflow/dicom/file.cpp | *lbfgs*:core/training/lbfgs.cpp | *isa-l*:core/server/crc32c.cpp | *boost/mpi*:pipelines/counterflow/ranks.cpp) ;;
      *) echo "$file:$line: $include stays behind its own border (tests/includes_test.sh)"; faults=$((faults + 1)) ;;
    esac
  done < <(grep -rnE '^#include <(CLI/|libxml/|xraylib|dlfcn|dcmtk/|lbfgs|isa-l|boost/mpi|nlohmann/|boost/beast|prometheus/)' --include=*.h --include=*.cpp core gadgets pipelines |
    sed -E 's/^([^:]*:[0-9]+):#include (.*)/\1:\2/')
  echo "$faults wrong includes"
  [[ $faults == 0 ]]
}

self_test() {
  local tree
  tree=$(mktemp -d)
  trap "rm -rf '$tree'" EXIT
  mkdir -p "$tree"/{core/physics,core/gadget,gadgets/a,gadgets/b,pipelines/p,tests}
  echo '#include "core/message/message.h"' >"$tree/core/physics/x.cpp"
  echo '#include "core/chain/chain.h"' >"$tree/core/gadget/x.h"
  echo '#include "gadgets/b/b.h"' >"$tree/gadgets/a/a.cpp"
  echo '#include <CLI/CLI.hpp>' >"$tree/pipelines/p/p.cpp"
  echo '#include "core/error.h"' >"$tree/gadgets/b/b.h"
  local found
  found=$( (check "$tree" || true) | tail -1)
  [[ $found == "4 wrong includes" ]] || { echo "the check itself fails: expected 4 wrong includes, got '$found'"; return 1; }
}

(self_test)
check "${1:?usage: includes_test.sh SOURCE_DIR}"
