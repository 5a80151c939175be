#!/bin/sh
# Writes nginx's files with the variables of aqqua.env filled in:  fill.sh FOLDER
# The folder is then included in nginx's http block:  include FOLDER/aqqua.conf;
set -eu
from=$(dirname "$0")
out=${1:?the folder to write to, as an absolute path}
AQQUA_NGINX=$out
case ${AQQUA_LOGIN:-} in
    password) needed="AQQUA_PASSWORDS" ;;
    oidc) needed="AQQUA_OAUTH2_PROXY" ;;
    *) echo "AQQUA_LOGIN: expected password or oidc, found '${AQQUA_LOGIN:-}'" >&2; exit 2 ;;
esac
program=""
for name in AQQUA_HOST AQQUA_LISTEN AQQUA_LISTEN_PLAIN AQQUA_TLS_CERTIFICATE AQQUA_TLS_KEY AQQUA_ACME \
    AQQUA_WEB AQQUA_GUESTS AQQUA_SITE AQQUA_REPORTS AQQUA_NGINX AQQUA_LOGIN $needed; do
    eval "value=\${$name:-}"
    # A value that ends a directive would be a directive of its own.
    case $value in
        "") echo "$name isn't set; see deploy/aqqua.env" >&2; exit 2 ;;
        *[!][A-Za-z0-9./:_-]*) echo "$name: letters, digits and ./:_-[] are understood, found '$value'" >&2; exit 2 ;;
    esac
    program="$program;s|\${$name}|$value|g"
done
mkdir -p "$out/$AQQUA_LOGIN" "$out/static"
cp "$from/static/healthz" "$out/static/healthz"
sed "$program" "$from/aqqua.conf.template" > "$out/aqqua.conf"
cp "$from/proxy.conf" "$out/proxy.conf"
for file in "$from/$AQQUA_LOGIN"/*.conf; do
    sed "$program" "$file" > "$out/$AQQUA_LOGIN/$(basename "$file")"
done
