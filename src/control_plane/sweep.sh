# Removes the data folder when the process that made it is gone and the programs in it have ended.
#
# Standard input is a pipe as in watch.sh. The arguments:
#   $1 the folder of marks: a file per running program
#   $2 how many tenths of a second to wait for the last mark to go
#   $3 the folder to remove
while read -r _; do :; done
tenths=0
while [ "$tenths" -lt "$2" ] && [ -n "$(ls "$1")" ]; do
    sleep 0.1
    tenths=$((tenths + 1))
done
rm -rf -- "$3"
