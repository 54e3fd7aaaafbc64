#!/usr/bin/env bash
# Google Cloud's side of the alerting: two notification channels, an uptime check and the alert policies beside this
# file. What is there already, by its display name, is brought up to date; so run it again after each change.
#
#   CLOUD_MONITORING_PASSWORD=... k8s/cloud-monitoring/apply.sh --project P --cluster C --host bridge.example.org \
#     --mail oncall@example.org [--namespace ml] [--dry-run]
#
# --dry-run asks Google nothing and prints the commands, and every file with its values; the password stays hidden.
# The variables are used by their names.
# shellcheck disable=SC2034
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PROJECT='' CLUSTER='' HOST='' MAIL='' NAMESPACE=ml
dry_run=false
usage="usage: $0 --project P --cluster C --host NAME --mail ADDRESS [--namespace ml] [--dry-run]"

while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry_run=true; shift; continue ;;
    --project | --cluster | --host | --mail | --namespace) ;;
    *) echo "$usage" >&2; exit 2 ;;
  esac
  if [ $# -lt 2 ]; then
    echo "$1 needs a value. $usage" >&2
    exit 2
  fi
  # These values become parts of JSON, of filters and of PromQL.
  if ! [[ $2 =~ ^[A-Za-z0-9][A-Za-z0-9.:@_+-]*$ ]]; then
    echo "$1 '$2' is not a name: only letters, digits and . : @ _ + - may be in it." >&2
    exit 2
  fi
  name=${1#--}
  printf -v "${name^^}" %s "$2"
  shift 2
done

for name in PROJECT CLUSTER HOST MAIL; do
  if [ -z "${!name}" ]; then
    echo "--${name,,} is missing. $usage" >&2
    exit 2
  fi
done
PASSWORD=${CLOUD_MONITORING_PASSWORD:-}
if ! [[ $PASSWORD =~ ^[A-Za-z0-9._~-]{16,}$ ]]; then
  echo "CLOUD_MONITORING_PASSWORD must be the one in the Secret 'bridge': 16 letters or digits, or more." >&2
  exit 2
fi

# Only the owner may read them: one holds the password, which must not be an argument of a command either.
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

filled() {  # template: its text with the values put in
  local text name
  text=$(<"$here/$1")
  for name in PROJECT CLUSTER NAMESPACE HOST MAIL PASSWORD CHANNEL MAIL_CHANNEL CHECK; do
    text=${text//"\${$name}"/${!name:-}}
  done
  printf '%s\n' "$text"
}

display_name() { sed -n 's/^ *"displayName": "\(.*\)",$/\1/p' "$here/$1" | head -n 1; }

cloud() {  # arguments of gcloud; its answer
  if $dry_run; then
    echo "gcloud $* --project $PROJECT" >&2
  else
    gcloud "$@" --project "$PROJECT"
  fi
}

existing() {  # command that lists..., display name
  cloud "${@:1:$#-1}" --filter "displayName=\"${*: -1}\"" --format 'value(name)' --limit 1
}

show() {  # file
  if $dry_run; then
    local text
    text=$(<"$1")
    printf '%s\n' "${text//"$PASSWORD"/(CLOUD_MONITORING_PASSWORD)}"
  fi
}

channel() {  # template; prints the name that Google gives it
  local file found
  file=$folder/$(basename "$1")
  filled "$1" >"$file"
  show "$file" >&2
  found=$(existing beta monitoring channels list "$(display_name "$1")")
  if [ -n "$found" ]; then
    cloud beta monitoring channels update "$found" --channel-content-from-file "$file" --format 'value(name)'
  else
    cloud beta monitoring channels create --channel-content-from-file "$file" --format 'value(name)'
  fi
}

uptime() {  # prints the identifier of the check
  local found
  found=$(existing monitoring uptime list-configs incident-bridge-watchdog)
  if [ -z "$found" ]; then
    # Every minute, from all regions, with a certificate that is valid.
    found=$(cloud monitoring uptime create incident-bridge-watchdog --resource-type uptime-url \
      --resource-labels "host=$HOST,project_id=$PROJECT" --protocol https --path /-/watchdog --period 1 --timeout 10 \
      --validate-ssl true --status-codes 200 --format 'value(name)')
  fi
  printf '%s\n' "${found##*/}"
}

# In gcloud 528 there are policies in alpha only, and channels in alpha and beta.
policy() {  # template
  local file found
  file=$folder/$(basename "$1")
  filled "$1" >"$file"
  show "$file" >&2
  found=$(existing alpha monitoring policies list "$(display_name "$1")")
  if [ -n "$found" ]; then
    cloud alpha monitoring policies update "$found" --policy-from-file "$file"
  else
    cloud alpha monitoring policies create --policy-from-file "$file"
  fi
}

CHANNEL=$(channel channels/bridge.json)
MAIL_CHANNEL=$(channel channels/mail.json)
CHECK=$(uptime)
if $dry_run; then
  CHANNEL=projects/$PROJECT/notificationChannels/BRIDGE
  MAIL_CHANNEL=projects/$PROJECT/notificationChannels/MAIL
  CHECK=WATCHDOG
fi
for template in "$here"/policies/*.json; do
  policy "policies/$(basename "$template")"
done
