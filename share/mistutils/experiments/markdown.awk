# markdown.awk - summary.tsv as a table of Markdown, mean ± deviation over the seeds.
BEGIN {
	FS = "\t"
	split("train_mAP50 train_mAP50-95 holdout_mAP50 holdout_mAP50-95 ssim psnr edge_corr detail attacked_mAP50 membership_auc membership_tpr1 bytes_per_image edge_ms", wanted, " ")
	split("%.3f %.3f %.3f %.3f %.3f %.1f %.3f %.3f %.3f %.3f %.3f %.0f %.1f", format, " ")
	split("mAP50, training|mAP50-95|mAP50, hold-out|mAP50-95|SSIM|PSNR|edges|detail|mAP50 of recovered|membership AUC|TPR at 1 % FPR|bytes an image|edge ms an image", title, "|")
}

NR == 1 {
	for (i = 1; i <= NF; i++)
		at[$i] = i
	printf "| what crosses the cut | cut | epsilon | seeds |"
	for (w = 1; w in wanted; w++)
		printf " %s |", title[w]
	printf "\n|---|---|---|---|"
	for (w = 1; w in wanted; w++)
		printf "---|"
	print ""
	next
}

function cell(w,    m, sd) {
	m = $at[wanted[w]]
	sd = $(at[wanted[w]] + 1)
	if (m == "-")
		return "-"
	if (sd == "-" || sprintf(format[w], sd) + 0 == 0)
		return sprintf(format[w], m)
	return sprintf(format[w] " ± " format[w], m, sd)
}

{
	if ($at["flat_ssim"] != "-")
		flat = sprintf("%.3f", $at["flat_ssim"])
	printf "| %s | %s | %s | %s |", $1, $2, $3, $at["seeds"]
	for (w = 1; w in wanted; w++)
		printf " %s |", cell(w)
	print ""
}

END {
	print ""
	print "SSIM, PSNR, edges and detail are the largest that any attack reached. Blur scores in SSIM and PSNR, not in"
	print "the others: pictures that are nothing but their mean colour have an SSIM of " (flat == "" ? "-" : flat) ", and 0 in edges and detail."
}
