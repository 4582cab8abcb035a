# Guards one throw-away PostgreSQL cluster: makes it, starts and stops its server, and removes it.
#
# Arguments:       FOLDER, the folder of PostgreSQL's programs, then the arguments of every start of the server.
# Standard input:  the password on the first line, then `start PORT` and `stop`. Only the guarded program holds the
#                  other end of this pipe, so its end, by whatever cause, is the end of the cluster.
# Standard output: one line for the password and for each command: `made`, `ready PID`, `stopped` or `failed`.

# The program's terminal and its signals are not ours: what ends the program must not end its guardian.
trap '' HUP INT QUIT PIPE
# Somebody who wants the guardian gone gets all of it gone: `read` fails, and the clean-up below runs.
trap 'exec </dev/null' TERM

folder=$1
programs=$2
shift 2
umask 077
cd "$folder" || exit 1
exec 2>>server.log
server=

# Waits until process $1 has ended, for at most $2 twentieths of a second.
ended() {
    tries=$2
    while kill -0 "$1" 2>/dev/null; do
        [ "$tries" -gt 0 ] || return 1
        tries=$((tries - 1))
        sleep 0.05
    done
}

make_cluster() {
    printf '%s\n' "$1" >password
    "$programs/initdb" -D "$folder/data" -U postgres -A scram-sha-256 --pwfile=password \
        -E UTF8 --locale=C.UTF-8 --no-sync </dev/null >>server.log 2>&1 &
    initdb=$!
    ended $initdb 2400 || kill -KILL $initdb
    wait $initdb
    made=$?
    rm -f password
    return $made
}

# As at a power cut: sessions are not ended politely. A server that somebody stopped (SIGSTOP) is woken for it.
stop_server() {
    [ -n "$server" ] || return 0
    children=$(cat "/proc/$server/task/$server/children" 2>/dev/null || pgrep -P "$server")
    kill -QUIT $server 2>/dev/null
    kill -CONT $server $children 2>/dev/null
    if ! ended $server 200; then
        kill -KILL $server $children 2>/dev/null
        ended $server 100
    fi
    server=
}

start_server() {
    port=$1
    shift
    rm -f data/postmaster.pid
    "$programs/postgres" -D "$folder/data" -p "$port" "$@" </dev/null >>server.log 2>&1 &
    server=$!
    tries=1200
    while [ "$tries" -gt 0 ] && kill -0 $server 2>/dev/null; do
        # The eighth line of this file is the server's own word on its state; `pg_ctl` waits for the same.
        case "$(sed -n 8p data/postmaster.pid 2>/dev/null)" in
        ready*) return 0 ;;
        esac
        tries=$((tries - 1))
        sleep 0.05
    done
    stop_server
    return 1
}

if IFS= read -r password && make_cluster "$password"; then
    unset password
    echo made
    while read -r command argument; do
        case $command in
        start) stop_server; start_server "$argument" "$@" && echo "ready $server" || echo failed ;;
        stop) stop_server; echo stopped ;;
        esac
    done
else
    echo failed
    # The program reads the log before it lets go.
    read -r command
fi
stop_server
cd / && rm -rf "$folder"
