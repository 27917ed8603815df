/* By itself this is one rank; mist-train-mpi.bats runs it under mpirun, where all must agree. */
#include "base/comm.h"
#include "unit.h"

static struct comm *comm;

static int begin(void **state)
{
	struct err err;

	(void)state;
	comm = comm_open(&err);
	return comm ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	comm_close(comm);
	return 0;
}

/* What rank r has at place i; sums of it are exact. */
static double part(int r, size_t i)
{
	return (double)(r + 1) * 0.5 + (double)i;
}

static double whole(size_t i)
{
	double sum = 0;
	int r;

	for (r = 0; r < comm_size(comm); r++)
		sum += part(r, i);
	return sum;
}

static void sums_are_over_all_ranks(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 3, 7, 1000, 100003};
	size_t k, i;

	(void)state;
	for (k = 0; k < ARRAY_LEN(sizes); k++) {
		const size_t n = sizes[k];
		double *d = xcalloc(n + 1, sizeof(*d));
		float *f = xcalloc(n + 1, sizeof(*f));

		for (i = 0; i < n; i++) {
			d[i] = part(comm_rank(comm), i);
			f[i] = (float)d[i];
		}
		comm_sum(comm, d, n);
		comm_sum_floats(comm, f, n);
		for (i = 0; i < n; i++) {
			assert_true(d[i] == whole(i));
			assert_true((double)f[i] == whole(i));
		}
		free(d);
		free(f);
	}
	comm_sum(NULL, NULL, 0); /* no comm is one rank */
	assert_int_equal(comm_size(NULL), 1);
	assert_int_equal(comm_rank(NULL), 0);
}

static void gathering_keeps_the_order_of_ranks(void **state)
{
	char mine[64] = "";
	struct buf all = BUF_INIT, want = BUF_INIT;
	size_t *sizes = xcalloc((size_t)comm_size(comm), sizeof(*sizes));
	int r, i;

	(void)state;
	for (r = 0; r < comm_size(comm); r++) /* rank r says r, r times */
		for (i = 0; i < r; i++)
			buf_printf(&want, "%d", r % 10);
	for (i = 0; i < comm_rank(comm) && i < 63; i++)
		mine[i] = (char)('0' + comm_rank(comm) % 10);
	comm_gather(comm, mine, strlen(mine), &all, sizes);
	assert_int_equal(all.len, want.len);
	if (want.len)
		assert_memory_equal(all.data, want.data, want.len);
	for (r = 0; r < comm_size(comm); r++)
		assert_int_equal(sizes[r], r);
	buf_release(&all);
	buf_release(&want);
	free(sizes);
}

static void the_first_rank_that_fails_speaks_for_all(void **state)
{
	const int last = comm_size(comm) - 1;
	struct err err = ERR_INIT;
	int rc = 0;

	(void)state;
	assert_int_equal(comm_settle(comm, 0, &err), 0);
	if (comm_rank(comm) >= last - 1) /* the last two */
		rc = err_set(&err, comm_rank(comm) == last && last ? STATUS_NO : STATUS_INPUT,
			     "from rank %d", comm_rank(comm));
	assert_int_equal(comm_settle(comm, rc, &err), -1);
	assert_int_equal(err.status, STATUS_INPUT);
	assert_int_equal(err.msg[0] != '\0', comm_rank(comm) == (last ? last - 1 : 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_over_all_ranks),
		cmocka_unit_test(gathering_keeps_the_order_of_ranks),
		cmocka_unit_test(the_first_rank_that_fails_speaks_for_all),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
