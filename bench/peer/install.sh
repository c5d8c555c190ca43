#!/usr/bin/env bash
# Installs the peer's packages and generates its Prisma client; does nothing when both are current.
set -euo pipefail
cd "$(dirname "$0")"

# What the installed tree depends on. When any of it changes, everything is made anew.
wanted="$(cat package.json package-lock.json .npmrc schema.prisma install.sh | cksum) node $(node --version)"
stamp=node_modules/.installed
if [ "$(cat "$stamp" 2> /dev/null)" = "$wanted" ]; then
  exit 0
fi

npm ci

# `prisma generate` itself is JavaScript and WebAssembly, but the command first makes sure that the native schema
# engine, which only migrations use, is there, and would download it. Naming a program stops the download; naming
# one that only fails makes sure that nothing depends on it unnoticed.
PRISMA_SCHEMA_ENGINE_BINARY="$(type -P false)" CHECKPOINT_DISABLE=1 PRISMA_HIDE_UPDATE_MESSAGE=1 \
  ./node_modules/.bin/prisma generate --schema schema.prisma --no-hints

printf '%s' "$wanted" > "$stamp"
