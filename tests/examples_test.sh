#!/usr/bin/env bash
# Runs a worked example at its small size and holds what it prints: examples_test.sh PROJECT COUNTERFLOW EXAMPLE.
set -euo pipefail
project=$1 program=$2 example=$3
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

said=$("$project/pipelines/$example/run" --small --counterflow "$program" "$out" 2>"$out/errors") || {
  status=$?
  cat "$out/errors"
  exit $status # 77: its data are not here
}
echo "$said"

fail() { echo "examples_test: $example: $*"; exit 1; }
# The root mean square error that `evaluate` prints for a material's inserts is above 0 (a picture of the truth is not a test) and below.
expect_error_below() { # MATERIAL LIMIT
  local error
  error=$(echo "$said" | awk -v material="$1" '$1 == material {found = 1} found && /root mean square error/ {print $(NF-1); exit}')
  awk -v e="$error" -v limit="$2" 'BEGIN {exit !(e > 0 && e < limit)}' || fail "expected an error of $1 below $2 mg/mL, got '$error'"
}
expect_pictures() {
  for name in "$@"; do
    [ "$(head -c 4 "$out/$name" | tail -c 3)" = PNG ] || fail "expected a picture $name"
  done
}

case $example in
  01_gammex)
    expect_error_below iodine 1.5
    expect_pictures panel.png mono_70keV.png profile.png maps.png plots/mtf.png
    [ "$(find "$out/dicom" -name "*.dcm" | wc -l)" -eq 14 ] || fail "expected 14 DICOM images: 7 maps and their noise"
    [ "$(stat -c %s "$out/scan_compact.h5")" -lt "$(($(stat -c %s "$out/scan.h5") / 2))" ] || fail "expected a smaller scan"
    ;;
  02_quail)
    offset=$(echo "$said" | sed -n 's/.*column offset[^0-9-]*\([0-9.-]*\).*/\1/p' | tail -1)
    awk -v o="$offset" 'BEGIN {exit !(o > 0.3 && o < 0.45)}' || fail "expected the centre of rotation at 0.3 to 0.45 columns, got '$offset'"
    expect_pictures voltages.png materials.png
    ;;
  03_k_edge)
    expect_error_below gadolinium 0.3
    expect_error_below iodine 0.3
    expect_pictures panel.png gadolinium.png
    ;;
  04_drift)
    # evaluate runs before and after: the iodine of the other body is wrong, then less than half as wrong
    errors=$(echo "$said" | awk '$1 == "iodine" && /mg/ {found = 1} found && /root mean square error/ {print $(NF-1); found = 0}')
    read -r before after <<<"$(echo "$errors" | xargs)"
    awk -v b="$before" -v a="$after" 'BEGIN {exit !(a > 0 && b > 1 && a < b / 2)}' ||
      fail "expected the error of iodine to fall to less than half, got '$before' and '$after' mg/mL"
    expect_pictures iodine_before.png iodine_after.png mono_before.png mono_after.png learned.loss.png learned.drift.module_shift.png
    ;;
  *) fail "expected a worked example, got '$example'" ;;
esac
