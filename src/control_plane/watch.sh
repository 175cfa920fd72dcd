# Ends a program when the process that started it is gone, in whatever way it went.
#
# That process holds the write end of the pipe that is this script's standard input, and nobody else does: the end of
# the input is the end of that process, or its wish to stop. The arguments:
#   $1 the folder of marks: a file per running program, with its process id
#   $2 the name of this program's mark
#   $3 how many tenths of a second it has between TERM and KILL
#   $4 "first" to be ended at once, "last" to be ended when no other mark is left
#   the rest: the program and its arguments
marks=$1 name=$2 grace=$3 order=$4
shift 4

exec 3<&0
"$@" 3<&- </dev/null &
program=$!
echo "$program" >"$marks/$name"

(
    while read -r _; do :; done
    tenths=0
    if [ "$order" = last ]; then
        # Twice the grace: the others have theirs, and a mark that nobody clears must not keep us here for ever.
        while [ "$tenths" -lt $((grace * 2)) ] && [ "$(ls "$marks")" != "$name" ]; do
            sleep 0.1
            tenths=$((tenths + 1))
        done
    fi
    kill -TERM "$program"
    tenths=0
    while [ "$tenths" -lt "$grace" ]; do
        sleep 0.1
        tenths=$((tenths + 1))
    done
    kill -KILL "$program"
) <&3 >/dev/null 2>&1 &
guard=$!
exec 3<&-

wait "$program"
status=$?
rm -f "$marks/$name"
# The guard is reaped here: not every machine has a first process that reaps what others leave behind.
kill "$guard" 2>/dev/null
wait "$guard" 2>/dev/null
exit "$status"
