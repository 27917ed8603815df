# summary.awk - the runs of grid.tsv, seeds taken together: for every figure its mean, and in a column
# behind, called NAME_sd, the standard deviation ("-" for one seed).
BEGIN {
	FS = OFS = "\t"
}

NR == 1 {
	for (i = 5; i <= NF; i++)
		name[i] = $i
	columns = NF
	next
}

{
	key = $1 OFS $2 OFS $3
	if (!(key in runs))
		order[++keys] = key
	runs[key]++
	for (i = 5; i <= columns; i++)
		if ($i != "-") {
			n[key, i]++
			sum[key, i] += $i
			squares[key, i] += $i * $i
		}
}

function mean(key, i) {
	return n[key, i] ? sprintf("%.6g", sum[key, i] / n[key, i]) : "-"
}

function deviation(key, i,    k, v) {
	k = n[key, i]
	if (k < 2)
		return "-"
	v = (squares[key, i] - sum[key, i] * sum[key, i] / k) / (k - 1)
	return sprintf("%.3g", v > 0 ? sqrt(v) : 0)
}

END {
	printf "gate\tcut\tepsilon\tseeds"
	for (i = 5; i <= columns; i++)
		printf "\t%s\t%s_sd", name[i], name[i]
	print ""
	for (k = 1; k <= keys; k++) {
		printf "%s\t%d", order[k], runs[order[k]]
		for (i = 5; i <= columns; i++)
			printf "\t%s\t%s", mean(order[k], i), deviation(order[k], i)
		print ""
	}
}
