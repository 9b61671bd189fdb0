# The words with which README's calls are written, for a POSIX shell in the folder of the repository, beside `make run`:
#
#	. ./server/testdata/calls.sh

AT=http://127.0.0.1:8080
token() { go run ./server/cmd/rejoin token --data rejoin-data --email "$1"; }
call() { bearer=$1; shift; curl -s -H "Authorization: Bearer $bearer" -H 'Content-Type: application/json' "$@"; }
of() { grep -o "\"$1\":\"[^\"]*\"" | head -n 1 | cut -d '"' -f 4; }
community() { curl -s -H "Authorization: Bearer $1" -F 'name=Chess club' $AT/servers | of _id; }
invite() { call "$1" "$AT/servers/$2/invites" -d '{"uses": 1}' | of code; }
join() { call "$1" "$AT/servers/$2/join" -d "{\"invite\": \"$3\"}"; }
