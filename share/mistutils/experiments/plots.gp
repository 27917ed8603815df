# plots.gp - gnuplot -e "what='accuracy|leakage|frontier'; by='edge_corr'; gates='…'; cuts='…'; epsilons='…'":
# a PNG of summary.tsv on standard output. Points are means over the seeds, bars their deviations.
file = "summary.tsv"
set datafile separator "\t"
set datafile columnheaders
set terminal pngcairo size 1280,620 font "DejaVu Sans,11" background "white"
set grid back lt 1 lc rgb "#cccccc" lw 0.5
set border 3
set tics nomirror
set pointsize 1.3
set bars small
array colour[8] = ["#1b6ca8", "#d1495b", "#2e933c", "#8f5fbf", "#e0902f", "#4a4a4a", "#17a2a2", "#b8860b"]

# No noise stands on the left, and noise grows to the right, twofold from tick to tick.
least = 1e9
most = 0
do for [e in epsilons] {
	if (e ne "none") {
		least = real(e) < least ? real(e) : least
		most = real(e) > most ? real(e) : most
	}
}
place(e) = e eq "none" ? 0 : 1 + log(most / real(e)) / log(2)
right = most > 0 ? place(sprintf("%g", least)) : 0
word_at(list, w) = sum [i = 1:words(list)] (word(list, i) eq w ? i : 0)

# The rows of one gate at one cut, the most noise last; and a baseline's figure, or -1.
rows(gate, cut) = "<awk -F '\\t' -v g=" . gate . " -v c=" . cut . " 'NR == 1 {print; next} $1 == g && $2 == c {print ($3 == \"none\" ? 1e9 : $3) \"\\t\" $0 | \"sort -gr | cut -f 2-\"}' " . file
figure(name, column) = real(system("awk -F '\\t' -v n=" . name . " -v w=" . column . " 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i} $1 == n && $at[w] != \"-\" {print $at[w]; found = 1; exit} END {if (!found) print -1}' " . file))
is_there(gate, cut) = real(system("awk -F '\\t' -v g=" . gate . " -v c=" . cut . " '$1 == g && $2 == c {n++} END {print n + 0}' " . file))
spread(text) = text eq "-" ? 0 : real(text)
number(text) = text eq "-" ? NaN : real(text)
called(gate, cut) = is_there(gate, cut) == 0 ? "" : words(cuts) > 1 ? gate . ", cut " . cut : gate
look(gate, cut) = 5 + 2 * ((word_at(cuts, cut) - 1) % 4)
tint(gate) = colour[1 + (word_at(gates, gate) - 1) % 8]

columns = what eq "leakage" ? "edge_corr ssim" : "train_mAP50 holdout_mAP50"
titles = what eq "leakage" ? "'Edges of the recovered pictures' 'SSIM of the recovered pictures (blur scores)'" \
	: "'Training images' 'Hold-out images'"
ylabels = what eq "leakage" ? "'Correlation of edges with the original' 'SSIM with the original'" : "mAP50 mAP50"
heads = what eq "leakage" ? "What an attacker recovers" : what eq "accuracy" ? "What is left of the accuracy" \
	: "Accuracy against leakage: up and to the left is better"
baselines = what eq "leakage" ? "" : "central fedavg untouched"
baseline_titles = "'central training' 'federated averaging' 'untouched network'"

set yrange [0:*]
set offsets graph 0.03, graph 0.03, graph 0.06, 0
set multiplot layout 1, 2 title heads font "DejaVu Sans Bold,13" margins 0.06, 0.985, 0.27, 0.88 spacing 0.075
do for [p = 1:2] {
	if (p == 1) { set key at screen 0.5, 0.015 bottom center horizontal samplen 3 maxrows 3 } else { unset key }
	column_y = word(columns, p)
	set title word(titles, p)
	set ylabel word(ylabels, p)
	if (what eq "frontier") {
		set xlabel "Leakage of the best attack (" . (by eq "edge_corr" ? "correlation of edges" : by) . ")" noenhanced
		set xrange [0:*]
	} else {
		set xlabel "Epsilon per bit"
		set xrange [0:(right > 0 ? right : 1)]
		set xtics ("no noise" 0)
		do for [e in epsilons] {
			if (e ne "none") { set xtics add (e place(e)) }
		}
	}
	if (what eq "frontier") {
		plot for [c in cuts] for [g in gates] rows(g, c) using (number(stringcolumn(by))):(number(stringcolumn(column_y))):(spread(stringcolumn(column_y . "_sd"))) \
			with yerrorlines lc rgb tint(g) lw 1.8 pt look(g, c) title called(g, c), \
			for [c in cuts] for [g in gates] rows(g, c) using (number(stringcolumn(by))):(number(stringcolumn(column_y))):(stringcolumn(3) eq "none" ? "" : stringcolumn(3)) \
			with labels offset 0.9,-0.7 left font ",9" textcolor rgb tint(g) notitle, \
			for [b = 1:words(baselines)] figure(word(baselines, b), column_y) with lines \
			lc rgb "#777777" dt b + 1 lw 1.5 title word(baseline_titles, b)
	} else {
		plot for [c in cuts] for [g in gates] rows(g, c) using (place(stringcolumn(3))):(number(stringcolumn(column_y))):(spread(stringcolumn(column_y . "_sd"))) \
			with yerrorlines lc rgb tint(g) lw 1.8 pt look(g, c) title called(g, c), \
			for [b = 1:words(baselines)] figure(word(baselines, b), column_y) with lines \
			lc rgb "#777777" dt b + 1 lw 1.5 title word(baseline_titles, b)
	}
}
unset multiplot
