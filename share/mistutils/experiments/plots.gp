# plots.gp - gnuplot -e "what='accuracy|leakage|frontier'; by='edge_corr'; gates='…'; cuts='…'; epsilons='…'":
# a PNG of summary.tsv on standard output: a row of panels for each cut, all of one scale. Points are means
# over the seeds, bars their deviations.
file = "summary.tsv"
set datafile separator "\t"
set datafile columnheaders
ncuts = words(cuts)
top = 70.0 # pixels: the title
row = 365.0 # a cut's panels
bottom = 75.0 # the key
height = top + row * ncuts + bottom
set terminal pngcairo size 1280,height font "DejaVu Sans,11" background "white"
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

# The rows of one gate at one cut, the most noise last.
rows(gate, cut) = "<awk -F '\\t' -v g=" . gate . " -v c=" . cut . " 'NR == 1 {print; next} $1 == g && $2 == c {print ($3 == \"none\" ? 1e9 : $3) \"\\t\" $0 | \"sort -gr | cut -f 2-\"}' " . file
# Of a column: the figure of a baseline or of floats at a cut, NaN where there is none; the largest.
figure(name, cut, column) = real(system("awk -F '\\t' -v n=" . name . " -v c=" . cut . " -v w=" . column . " 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i} $1 == n && $2 == c && $at[w] != \"-\" {print $at[w]; found = 1; exit} END {if (!found) print \"NaN\"}' " . file))
largest(column) = real(system("awk -F '\\t' -v w=" . column . " 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i; next} $at[w] != \"-\" {v = $at[w] + ($(at[w] + 1) == \"-\" ? 0 : $(at[w] + 1)); if (v > m) m = v} END {print m + 0}' " . file))
spread(text) = text eq "-" ? 0 : real(text)
number(text) = text eq "-" ? NaN : real(text)
tint(gate) = colour[1 + (word_at(gates, gate) + 7) % 8]
mark(gate) = 5 + 2 * ((word_at(gates, gate) + 5) % 6)

columns = what eq "leakage" ? "edge_corr ssim" : "train_mAP50 holdout_mAP50"
titles = what eq "leakage" ? "'edges of the recovered pictures' 'SSIM of the recovered pictures (blur scores too)'" \
	: "'training images' 'hold-out images'"
ylabels = what eq "leakage" ? "'correlation of edges with the original' 'SSIM with the original'" : "mAP50 mAP50"
heads = what eq "leakage" ? "What an attacker recovers" : what eq "accuracy" ? "What is left of the accuracy" \
	: "Accuracy against leakage: up and to the left is better"
# Lines across: those baselines that were run, and what blur scores in SSIM.
baseline_title(name) = name eq "central" ? "central training" : name eq "fedavg" ? "federated averaging" : \
	name eq "untouched" ? "untouched network" : "pictures of one colour"
flat = real(system("awk -F '\\t' 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i; next} $at[\"flat_ssim\"] != \"-\" {print $at[\"flat_ssim\"]; found = 1; exit} END {if (!found) print \"NaN\"}' " . file))
across(name, column) = name ne "flat" ? figure(name, "-", column) : column eq "ssim" ? flat : NaN
baselines = what eq "leakage" ? (flat == flat ? "flat" : "") : ""
do for [b in "central fedavg untouched"] {
	if (what ne "leakage" && across(b, "train_mAP50") == across(b, "train_mAP50")) { baselines = baselines . " " . b }
}
below_axis = what ne "frontier" ? "epsilon per bit" : \
	"leakage of the best attack (" . (by eq "edge_corr" ? "correlation of edges" : by) . "); beside the points: epsilon"
# Floats have no epsilon: a line over all of them, but a point where leakage is the axis.
points = ""
lines = ""
do for [g in gates] {
	if (g eq "float" && what ne "frontier") { lines = g } else { points = points . " " . g }
}
# Epsilons stand beside their points: the gates' in turn below on the right and above on the left.
side(gate) = word_at(gates, gate) % 2 ? -1 : 1

set multiplot title heads font "DejaVu Sans Bold,13"
far = what eq "frontier" ? largest(by) * 1.12 + 1e-3 : right + 0.12
near = what eq "frontier" ? -0.06 * far : -0.12
set xrange [near:far]
if (what ne "frontier") {
	set xtics ("no noise" 0)
	do for [e in epsilons] {
		if (e ne "none") { set xtics add (e place(e)) }
	}
}
do for [k = 1:ncuts] {
	c = word(cuts, k)
	if (k == ncuts) { set xlabel below_axis noenhanced }
	set tmargin at screen 1 - (top + row * (k - 1)) / height
	set bmargin at screen 1 - (top + row * (k - 1) + 290) / height
	do for [p = 1:2] {
		column_y = word(columns, p)
		set lmargin at screen p == 1 ? 0.06 : 0.565
		set rmargin at screen p == 1 ? 0.48 : 0.985
		tall = largest(column_y) * 1.08 + 1e-3
		set yrange [0:tall]
		set title "Cut " . c . ", " . word(titles, p)
		set ylabel word(ylabels, p)
		if (p == 1 && k == ncuts) { set key at screen 0.5, 10.0 / height bottom center horizontal samplen 3 maxrows 2 width 2 } else { unset key }
		if (what eq "frontier") {
			plot for [b = 1:words(baselines)] across(word(baselines, b), column_y) with lines \
				lc rgb "#777777" dt b + 1 lw 1.5 title baseline_title(word(baselines, b)), \
				for [i = 1:words(points)] g = word(points, i) rows(g, c) using (number(stringcolumn(by))):(number(stringcolumn(column_y))):(spread(stringcolumn(column_y . "_sd"))) \
				with yerrorlines lc rgb tint(g) lw 1.8 pt mark(g) title g, \
				for [i = 1:words(points)] g = word(points, i) rows(g, c) using (number(stringcolumn(by)) + side(g) * 0.022 * far):(number(stringcolumn(column_y)) - side(g) * 0.045 * tall):(stringcolumn(3) eq "none" ? "" : stringcolumn(3)) \
				with labels center font ",9" textcolor rgb tint(g) notitle
		} else {
			plot for [b = 1:words(baselines)] across(word(baselines, b), column_y) with lines \
				lc rgb "#777777" dt b + 1 lw 1.5 title baseline_title(word(baselines, b)), \
				for [i = 1:words(lines)] g = word(lines, i) figure(g, c, column_y) with lines lc rgb tint(g) lw 1.8 title g, \
				for [i = 1:words(points)] g = word(points, i) rows(g, c) using (place(stringcolumn(3))):(number(stringcolumn(column_y))):(spread(stringcolumn(column_y . "_sd"))) \
				with yerrorlines lc rgb tint(g) lw 1.8 pt mark(g) title g
		}
	}
}
unset multiplot
