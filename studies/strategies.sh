#!/usr/bin/env bash
# Compare the batch strategies on real data, from the same start, over several seeds.
#
#   EVENRANK_DATA=data studies/strategies.sh runs/strategies
#
# Trains `static` encoders on 80 % of the articles of squad-dev-parallel (paragraphs of XQuAD left
# out), and tests on the other articles and on XQuAD-R. STEPS and SEEDS can be set. A model that
# exists is not trained again, and an interrupted run continues.
set -euo pipefail
out=${1:?folder for corpora, models and results}
steps=${STEPS:-800}
seeds=${SEEDS:-0 1 2}
strategies=${STRATEGIES:-x-x-mono x-y hybrid}

[ -d "$out/corpus" ] || evenrank data convert "$EVENRANK_DATA/squad-dev-parallel" "$out/corpus" \
  --where 'in_xquad_paragraph = false and title != "" and title != null' \
  --split train=0.8,test=0.2 --by article --seed 0
for seed in $seeds; do
  for strategy in $strategies; do
    run="$out/models/$strategy-$seed"
    [ -d "$run/model" ] || evenrank train --output "$run" --resume --encoder static \
      --corpora "$out/corpus/train" --strategy "$strategy" --steps "$steps" --batch-size 128 --seed "$seed"
    for benchmark in "corpus:$out/corpus/test" xquad-r; do
      results="$out/results/${benchmark##*/}/$strategy-$seed"
      [ -d "$results" ] || evenrank evaluate "$run/model" --benchmark "$benchmark" \
        --label "$strategy-$seed" --output "$results"
    done
  done
done
for benchmark in test xquad-r; do
  python "$(dirname "$0")/summary.py" "$out/results/$benchmark"
done
