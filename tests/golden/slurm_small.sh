#!/bin/bash
#SBATCH --job-name=kbench-20300101-000000-abcdef-0
#SBATCH --array=0-7%2
#SBATCH --chdir=/home/me/kbench
#SBATCH --output="/share/my results/slurm/20300101-000000-abcdef/logs/0-%a.log"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --nodes=1
#SBATCH --ntasks=1

# Runs 8 cells, from line 0 (counted from 0) of manifest.jsonl beside this file; 1 a task.
# Can be submitted again by hand: sbatch '/share/my results/slurm/20300101-000000-abcdef/array-0.sh'
# Cells with a record that is newer than the manifest are left out.
set -u
folder='/share/my results/slurm/20300101-000000-abcdef'
first=$((0 + SLURM_ARRAY_TASK_ID * 1))
count=$((8 - first < 1 ? 8 - first : 1))
export KBENCH_DATA='/share/the data'

# SLURM signals this shell 120 s before the time is over (USR1), and on preemption or
# cancellation (TERM). Either way the cell saves itself and ends with status 75.
child=
reason=
stop() {
    reason=${reason:-$1}
    if [ -n "$child" ]; then kill -USR1 "$child" 2>/dev/null; fi
}
trap 'stop time' USR1
trap 'stop ended' TERM

kbench cell '/share/my results/slurm/20300101-000000-abcdef/manifest.jsonl' "$first" --count "$count" --remaining --results '/share/my results' --checkpoint-every=30 --threads="${SLURM_CPUS_ON_NODE:-1}" &
child=$!
if [ -n "$reason" ]; then kill -USR1 "$child" 2>/dev/null; fi
wait "$child"
status=$?
# A trap ends `wait` early, with a status above 128.
while [ "$status" -gt 128 ] && kill -0 "$child" 2>/dev/null; do
    wait "$child"
    status=$?
done
if [ "$status" -gt 128 ] && [ -n "$reason" ]; then
    wait "$child" 2>/dev/null
    last=$?
    if [ "$last" -ne 127 ]; then status=$last; fi
fi

if [ "$status" -eq 75 ] && [ "$reason" = time ]; then
    task=${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}
    echo "restart ${SLURM_RESTART_COUNT:-0}" >>"$folder/timeouts/$task"
    times=$(wc -l <"$folder/timeouts/$task")
    if [ "$times" -le 10 ]; then
        echo "time is over for the ${times}. time: requeued to go on"
        # SLURM ends what still runs; a task that has ended by itself would look like a failure.
        if scontrol requeue "$task"; then exec sleep 120; fi
    else
        echo "time is over for the ${times}. time, 10 requeues are allowed: not requeued; run kbench again to go on"
    fi
fi
exit "$status"
