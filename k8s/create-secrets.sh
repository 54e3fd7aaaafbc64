#!/usr/bin/env bash
# Makes the Secrets that the pods read, or brings them up to date. What no one outside needs to know is generated, once;
# what a vendor gave you comes from the environment. docs/gke.md lists all of it.
#
#   PAGERDUTY_ROUTING_KEY=... SLACK_BOT_TOKEN=xoxb-... BRIDGE_PASSWORD_HASH=... BRIDGE_DATABASE_URL=... \
#     k8s/create-secrets.sh [--local] [--dry-run]
#
# --local also makes up a password for the overlay's PostgreSQL, and the address of the database with it.
# --dry-run names what would be made, without any value, and changes nothing.
# The variables are used by their names.
# shellcheck disable=SC2034
set -euo pipefail

local_database=false dry_run=false
for argument in "$@"; do
  case $argument in
    --local) local_database=true ;;
    --dry-run) dry_run=true ;;
    *) echo "usage: $0 [--local] [--dry-run]" >&2; exit 2 ;;
  esac
done

# What the cluster has already is kept, so that a second run changes no password.
kept() {  # secret, key
  kubectl --namespace monitoring get secret "$1" --ignore-not-found --output "jsonpath={.data.$2}" | base64 --decode
}

made_up() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

choose() {  # variable, secret: the environment's value, or the cluster's, or a new one
  local value=${!1:-}
  [ -n "$value" ] || value=$(kept "$2" "$1")
  [ -n "$value" ] || value=$(made_up)
  printf -v "$1" %s "$value"
}

require() {  # variable, secret, where it comes from
  local value=${!1:-}
  [ -n "$value" ] || value=$(kept "$2" "$1")
  if [ -z "$value" ]; then
    echo "$1 is not set: $3" >&2
    missing=true
  fi
  printf -v "$1" %s "$value"
}

# The values go through a pipe: the arguments of a command can be read by everyone on the machine.
apply() {  # secret, variables...
  local name=$1 key
  shift
  if $dry_run; then
    echo "would apply secret monitoring/$name with $*"
    return
  fi
  {
    printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: monitoring}\ndata:\n' "$name"
    for key in "$@"; do
      printf '  %s: %s\n' "$key" "$(printf %s "${!key}" | base64 | tr -d '\n')"
    done
  } | kubectl apply --server-side --force-conflicts --filename -
}

missing=false
require PAGERDUTY_ROUTING_KEY bridge "the integration key of an Events API v2 integration"
require SLACK_BOT_TOKEN bridge "a bot token (xoxb-...) with chat:write"
require BRIDGE_PASSWORD_HASH bridge "what 'bridge hash-password' prints for the password of the user 'oncall'"
if $local_database; then
  choose POSTGRES_PASSWORD postgres
  BRIDGE_DATABASE_URL="postgresql://bridge:$POSTGRES_PASSWORD@postgres:5432/bridge"
else
  require BRIDGE_DATABASE_URL bridge "postgresql://USER:PASSWORD@ADDRESS:5432/bridge?sslmode=require"
fi
if $missing; then
  exit 1
fi
choose ALERTMANAGER_TOKEN bridge
choose CLOUD_MONITORING_PASSWORD bridge
choose GRAFANA_ADMIN_PASSWORD grafana

# Only if routes.yaml asks for it.
SMTP_PASSWORD=${SMTP_PASSWORD:-$(kept bridge SMTP_PASSWORD)}

apply bridge ${SMTP_PASSWORD:+SMTP_PASSWORD} ALERTMANAGER_TOKEN BRIDGE_DATABASE_URL BRIDGE_PASSWORD_HASH CLOUD_MONITORING_PASSWORD \
  PAGERDUTY_ROUTING_KEY SLACK_BOT_TOKEN
apply alertmanager ALERTMANAGER_TOKEN PAGERDUTY_ROUTING_KEY
apply grafana GRAFANA_ADMIN_PASSWORD
if $local_database; then
  apply postgres POSTGRES_PASSWORD
fi
