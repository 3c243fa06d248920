#!/usr/bin/env bash
# May the canary take all traffic? Asks until there is a verdict, with bash and curl alone.
#
#   ASSAY_SERVER=https://assay.example ASSAY_KEY=assay_... ./gate.sh PREDICTOR [SECONDS TO WAIT]
#
# Prints the answer as JSON. Exit status, the same as of `assay gate`:
#   0 promote, 1 rollback, 2 not decided in time, 3 error.
set -u

predictor=${1:-}
patience=${2:-0}
if [[ -z $predictor || ! $patience =~ ^[0-9]+$ || -z ${ASSAY_SERVER:-} ]]; then
  echo "usage: ASSAY_SERVER=https://assay.example [ASSAY_KEY=assay_...] $0 PREDICTOR [SECONDS]" >&2
  exit 3
fi
answer=$(mktemp) || exit 3
trap 'rm -f "$answer"' EXIT

# The key comes by standard input: on the command line every user of the machine could read it.
ask() {
  { [[ -z ${ASSAY_KEY:-} ]] || printf 'header = "Authorization: Bearer %s"\n' "$ASSAY_KEY"; } |
    curl --config - --silent --show-error --max-time 30 --output "$answer" --write-out '%{http_code}' \
      "$ASSAY_SERVER/v1/predictors/$predictor/canary/gate"
}

finish() {
  cat "$answer"
  echo
  exit "$1"
}

while :; do
  status=$(ask)
  left=$((patience - SECONDS))
  case $status in
    200) finish 0 ;;
    409) finish 1 ;;
    425) outcome=2 ;;
    # Not there, too busy or in trouble: that may pass.
    000 | 429 | 5??) outcome=3 ;;
    *) finish 3 ;;
  esac
  ((left > 0)) || finish "$outcome"
  sleep $((left < 30 ? left : 30))
done
