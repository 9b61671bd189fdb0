complete -o default -o bashdefault -C /usr/bin/rejoin rejoin
