# frontier.awk -v by=LEAKAGE - of summary.tsv: the settings that no other beats in both hold-out mAP50 and
# leakage, and the gates compared at equal leakage, interpolated between their epsilons.
BEGIN {
	FS = "\t"
}

NR == 1 {
	for (i = 1; i <= NF; i++)
		at[$i] = i
	if (!(by in at)) {
		print "frontier.awk: '" by "' is no column" >"/dev/stderr"
		bad = 1
		exit 1
	}
	next
}

$at[by] != "-" {
	n++
	gate[n] = $1 ", cut " $2
	name[n] = gate[n] ", epsilon " $3
	x[n] = $at[by] + 0
	y[n] = $at["holdout_mAP50"] + 0
	t[n] = $at["train_mAP50"] + 0
	if (!(gate[n] in seen)) {
		seen[gate[n]]
		gates[++ngates] = gate[n]
	}
	if (n == 1 || x[n] < least)
		least = x[n]
	if (n == 1 || x[n] > most)
		most = x[n]
}

function beaten(i,    k) {
	for (k = 1; k <= n; k++)
		if (k != i && x[k] <= x[i] && y[k] >= y[i] && (x[k] < x[i] || y[k] > y[i]))
			return 1
	return 0
}

# Of gate g at leakage v, values z: between the nearest points of the gate on either side.
function interpolated(g, v, z,    i, lo, hi) {
	for (i = 1; i <= n; i++) {
		if (gate[i] != g)
			continue
		if (x[i] <= v && (!lo || x[i] > x[lo]))
			lo = i
		if (x[i] >= v && (!hi || x[i] < x[hi]))
			hi = i
	}
	if (!lo || !hi)
		return "-"
	return sprintf("%.3f", x[hi] == x[lo] ? z[lo] : z[lo] + (z[hi] - z[lo]) * (v - x[lo]) / (x[hi] - x[lo]))
}

END {
	if (bad || !n)
		exit bad
	printf "\nThe frontier (hold-out mAP50 against leakage, %s):\n\n", by
	print "| setting | leakage | mAP50, hold-out | mAP50, training |"
	print "|---|---|---|---|"
	for (i = 1; i <= n; i++)
		order[i] = i
	for (i = 2; i <= n; i++)
		for (k = i; k > 1 && x[order[k]] < x[order[k - 1]]; k--) {
			o = order[k]
			order[k] = order[k - 1]
			order[k - 1] = o
		}
	for (i = 1; i <= n; i++)
		if (!beaten(order[i]))
			printf "| %s | %.3f | %.3f | %.3f |\n", name[order[i]], x[order[i]], y[order[i]], t[order[i]]
	if (most <= least)
		exit
	printf "\nAt equal leakage, mAP50 on hold-out / training images:\n\n| %s |", by
	for (g = 1; g <= ngates; g++)
		printf " %s |", gates[g]
	printf "\n|---|"
	for (g = 1; g <= ngates; g++)
		printf "---|"
	print ""
	for (k = 1; k <= 5; k++) {
		v = least + (most - least) * k / 6
		printf "| %.3f |", v
		for (g = 1; g <= ngates; g++) {
			h = interpolated(gates[g], v, y)
			printf " %s |", h == "-" ? "-" : h " / " interpolated(gates[g], v, t)
		}
		print ""
	}
	print "\n\"-\": the gate leaks less, or more, at all epsilons that were tried."
}
