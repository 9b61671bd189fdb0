#!/bin/sh
# Removed, and not replaced by another version: dpkg says "remove", rpm 0. The data stays in /var/lib/rejoin.
set -e
case "$1" in
remove | 0)
	if [ -d /run/systemd/system ]; then
		systemctl disable --now rejoin.service
	fi
	;;
esac
