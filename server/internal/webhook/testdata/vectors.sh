#!/usr/bin/env bash
# Makes vectors.json by OpenSSL: cbc with its program, gcm, which that does not do, with the OpenSSL in Node.js.
set -euo pipefail
key=0123456789abcdef0123456789abcdef
hexkey=$(printf %s "$key" | od -v -An -tx1 | tr -d ' \n')
echo '['
for plain in '{"message":"Hello","sender":"vera"}' '{"user":"vera","kind":"coins","operation":"add","amount":10}' '0123456789abcdef' 'Grüße'; do
	iv=$(openssl rand -hex 16)
	data=$(printf %s "$plain" | openssl enc -aes-256-cbc -K "$hexkey" -iv "$iv" -base64 -A)
	PLAIN=$plain KEY=$key IV=$iv DATA=$data node -e '
		const crypto = require("node:crypto"), e = process.env
		const line = (v) => console.log("  " + JSON.stringify({plain: e.PLAIN, key: e.KEY, ...v}) + ",")
		line({mode: "cbc", iv: Buffer.from(e.IV, "hex").toString("base64"), data: e.DATA, tag: ""})
		const iv = crypto.randomBytes(12), c = crypto.createCipheriv("aes-256-gcm", e.KEY, iv)
		const data = Buffer.concat([c.update(e.PLAIN, "utf8"), c.final()])
		line({mode: "gcm", iv: iv.toString("base64"), data: data.toString("base64"), tag: c.getAuthTag().toString("base64")})'
done | sed '$ s/,$//'
echo ']'
