#include "mist/privacy.h"
#include "mist/ledger.h"
#include "mist/ledger_show.h"
#include "base/file.h"
#include "unit.h"

#include <fcntl.h>
#include <math.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MODEL "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *dir, *path, *key;

static int setup(void **state)
{
	(void)state;
	dir = unit_tmpdir();
	path = path_join(dir, "ledger");
	key = path_join(dir, "ledger.key");
	return 0;
}

static int teardown(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(dir_remove(dir, &err), 0);
	free(dir);
	free(path);
	free(key);
	return 0;
}

static struct ledger *open_it(void)
{
	struct err err = ERR_INIT;
	struct ledger *l = ledger_open(path, 0, NULL, &err);

	if (!l)
		fail_msg("%s", err.msg);
	return l;
}

static struct book_release release(int image, int tag, double epsilon)
{
	struct book_release r = {.epsilon = epsilon};

	r.image[0] = (uint8_t)image;
	r.image[1] = (uint8_t)(image >> 8);
	r.tag[3] = (uint8_t)tag;
	return r;
}

static struct ledger_spend of(const char *client, struct book_release *v, size_t n)
{
	return (struct ledger_spend){.entry = {.client = client,
					       .model = MODEL,
					       .mechanism = "rr",
					       .labels = "clear",
					       .releases = v,
					       .n = n},
				     .budget = INFINITY,
				     .budget_image = INFINITY};
}

static struct ledger_account spend(struct ledger *l, const char *client, int image, int tag,
				   double epsilon)
{
	struct book_release r = release(image, tag, epsilon);
	const struct ledger_spend s = of(client, &r, 1);
	struct ledger_account a = {0};
	struct err err = ERR_INIT;

	if (ledger_spend(l, &s, &a, &err))
		fail_msg("%s", err.msg);
	return a;
}

static void text_of(struct buf *out)
{
	struct err err;

	buf_clear(out);
	assert_int_equal(file_read(path, 1 << 24, out, &err), 0);
}

static void set_text(const char *text, size_t len)
{
	struct err err;

	assert_int_equal(file_write(path, text, len, &err), 0);
}

static void refused(enum status status, const char *part)
{
	struct err err = ERR_INIT;

	assert_null(ledger_open(path, 0, NULL, &err));
	assert_int_equal(err.status, status);
	if (!strstr(err.msg, part))
		fail_msg("'%s' is not in '%s'", part, err.msg);
}

/* ------------------------------------------------------------------ accounts */

static void the_same_release_costs_once(void **state)
{
	struct ledger *l = open_it();
	struct ledger_account a;

	(void)state;
	a = spend(l, "a", 1, 1, 10);
	assert_true(a.before == 0 && a.after == 10 && a.image_max == 10 && a.fresh == 1);
	a = spend(l, "a", 1, 1, 10);
	assert_true(a.before == 10 && a.after == 10 && a.fresh == 0 && a.again == 1);
	a = spend(l, "a", 1, 2, 5); /* other bits of the same picture */
	assert_true(a.after == 15 && a.image_max == 15);
	a = spend(l, "a", 2, 1, 7);
	assert_true(a.after == 22 && a.image_max == 15);
	a = spend(l, "b", 1, 1, 10); /* another client's account is another */
	assert_true(a.before == 0 && a.after == 10);
	ledger_close(l);
	l = open_it();
	a = spend(l, "a", 2, 1, 7);
	assert_true(a.before == 22 && a.after == 22);
	ledger_close(l);
}

static void without_noise_the_account_is_infinite_and_stays_so(void **state)
{
	struct ledger *l = open_it();

	(void)state;
	assert_true(isinf(spend(l, "a", 1, 1, INFINITY).after));
	ledger_close(l);
	l = open_it();
	assert_true(isinf(spend(l, "a", 2, 2, 1).after));
	ledger_close(l);
}

static void sums_are_never_rounded_down(void **state)
{
	long double exact = 0;
	double sum = 0;
	int i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		exact += 0.1;
		sum = privacy_add(sum, 0.1);
		assert_true(sum >= (double)exact);
	}
	assert_true(sum < 10000.01);
	assert_true(privacy_add(3, 4) == 7);
	assert_true(isinf(privacy_add(1, INFINITY)));
}

static void a_budget_refuses_and_records_nothing(void **state)
{
	struct ledger *l = open_it();
	struct book_release v[] = {release(1, 1, 6), release(2, 1, 6), release(1, 2, 6)};
	struct ledger_spend s = of("a", v, 3);
	struct buf before = BUF_INIT, after = BUF_INIT;
	struct ledger_account a = {0};
	struct err err = ERR_INIT;

	(void)state;
	text_of(&before);
	s.budget = 17.9;
	assert_int_equal(ledger_spend(l, &s, &a, &err), -1);
	assert_int_equal(err.status, STATUS_PRIVACY);
	assert_non_null(strstr(err.msg, "from epsilon 0 to 18, above the budget of 17.9"));
	s.budget = 18;
	s.budget_image = 11;
	s.entry.n = 3;
	assert_int_equal(ledger_spend(l, &s, &a, &err), -1);
	assert_non_null(strstr(err.msg, "a picture would come from epsilon 0 to 12"));
	text_of(&after);
	assert_string_equal(before.data, after.data);
	s.budget_image = 12;
	s.entry.n = 3;
	assert_int_equal(ledger_spend(l, &s, &a, &err), 0);
	assert_true(a.after == 18);
	/* what is free is never refused */
	s.budget = 1;
	s.entry.n = 3;
	assert_int_equal(ledger_spend(l, &s, &a, &err), 0);
	ledger_close(l);
	buf_release(&before);
	buf_release(&after);
}

static void a_line_holds_what_a_line_may_hold(void **state)
{
	const size_t n = 2 * BOOK_LINE_RELEASES + 5;
	struct book_release *v = xcalloc(n + 1, sizeof(*v));
	struct ledger *l = open_it();
	struct ledger_account a = {0};
	struct ledger_spend s;
	struct err err = ERR_INIT;
	size_t i;
	int clients;

	(void)state;
	for (i = 0; i < n; i++)
		v[i] = release((int)i, 1, 0.5);
	v[n] = v[0]; /* the same twice in one go */
	s = of("a", v, n + 1);
	assert_int_equal(ledger_spend(l, &s, &a, &err), 0);
	assert_int_equal(a.fresh, n);
	assert_int_equal(a.again, 1);
	ledger_close(l);
	l = open_it();
	assert_int_equal(book_clients(ledger_book(l), &clients)->releases, n);
	assert_true(book_clients(ledger_book(l), &clients)->epsilon == 0.5 * (double)n);
	ledger_close(l);
	free(v);
}

/* ------------------------------------------------------------------ several programs */

static void what_another_recorded_meanwhile_is_seen(void **state)
{
	struct ledger *one = open_it(), *two = open_it();

	(void)state;
	spend(one, "a", 1, 1, 10);
	assert_true(spend(two, "a", 1, 1, 10).again == 1);
	spend(two, "a", 2, 1, 10);
	assert_true(spend(one, "a", 3, 1, 10).after == 30);
	ledger_close(one);
	ledger_close(two);
}

static void many_at_once_lose_nothing(void **state)
{
	enum { PROGRAMS = 4, TIMES = 25 };
	struct ledger *l;
	int i, k, status;

	(void)state;
	for (i = 0; i < PROGRAMS; i++)
		if (fork() == 0) {
			struct err err;

			l = ledger_open(path, 60, NULL, &err);
			for (k = 0; l && k < TIMES; k++) {
				struct book_release r = release(100 * i + k, 1, 1);
				const struct ledger_spend s = of("a", &r, 1);
				struct ledger_account a = {0};

				if (ledger_spend(l, &s, &a, &err))
					_exit(1);
			}
			_exit(!l);
		}
	for (i = 0; i < PROGRAMS; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	l = open_it();
	assert_true(spend(l, "a", 1, 1, 1).after == PROGRAMS * TIMES);
	ledger_close(l);
}

static void a_ledger_that_is_held_is_said_to_be(void **state)
{
	struct ledger *l = open_it();
	int fd = open(path, O_RDWR);
	struct book_release r = release(1, 1, 1);
	const struct ledger_spend s = of("a", &r, 1);
	struct ledger_account a = {0};
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(ledger_spend(l, &s, &a, &err), -1);
	assert_int_equal(err.status, STATUS_SYSTEM);
	assert_non_null(strstr(err.msg, "another program has held it"));
	refused(STATUS_SYSTEM, "another program has held it");
	close(fd);
	assert_int_equal(ledger_spend(l, &s, &a, &err), 0);
	assert_int_equal(unlink(path), 0); /* what we append nobody would see */
	assert_int_equal(ledger_spend(l, &s, &a, &err), -1);
	ledger_close(l);
}

/* ------------------------------------------------------------------ damage */

/* Killed at any byte of an append, the ledger opens, and knows just what was whole. */
static void a_torn_last_line_is_left_out_at_every_length(void **state)
{
	struct buf whole = BUF_INIT;
	struct ledger *l = open_it();
	size_t first, cut, header;

	(void)state;
	text_of(&whole);
	header = whole.len;
	spend(l, "a", 1, 1, 1);
	text_of(&whole);
	first = whole.len;
	spend(l, "a", 2, 1, 2);
	ledger_close(l);
	text_of(&whole);
	for (cut = 0; cut <= whole.len; cut++) {
		set_text(whole.data, cut);
		l = open_it();
		if (cut < header) { /* begun again, with the key that was there */
			assert_null(book_client(ledger_book(l), "a"));
		} else {
			const struct ledger_account a = spend(l, "a", 2, 1, 2);
			const double want = cut < first ? 2 : 3;

			assert_true(a.after == want);
			assert_int_equal(a.again, cut == whole.len);
		}
		ledger_close(l);
	}
	buf_release(&whole);
}

/* Any byte changed in what is whole is found, in any line. */
static void a_changed_byte_is_found(void **state)
{
	struct buf whole = BUF_INIT;
	struct ledger *l = open_it();
	struct err err;
	size_t i;

	(void)state;
	spend(l, "a", 1, 1, 1);
	spend(l, "a", 2, 1, 2);
	ledger_close(l);
	text_of(&whole);
	for (i = 0; i < whole.len; i++) {
		if (i == whole.len - 1)
			continue; /* without the last newline it is torn */
		whole.data[i] ^= 1;
		set_text(whole.data, whole.len);
		assert_null(ledger_open(path, 0, NULL, &err));
		assert_int_equal(err.status, STATUS_INPUT);
		whole.data[i] ^= 1;
	}
	set_text(whole.data, whole.len);
	ledger_close(open_it());
	buf_release(&whole);
}

static void a_line_that_was_taken_out_is_missed(void **state)
{
	struct buf text = BUF_INIT;
	struct ledger *l = open_it();
	char *second, *third;

	(void)state;
	spend(l, "a", 1, 1, 1);
	spend(l, "a", 2, 1, 2);
	ledger_close(l);
	text_of(&text);
	second = strchr(text.data, '\n') + 1;
	third = strchr(second, '\n') + 1;
	memmove(second, third, strlen(third) + 1);
	set_text(text.data, strlen(text.data));
	refused(STATUS_INPUT, "line 2: wrong digest");
	buf_release(&text);
}

static void what_is_no_ledger_is_left_alone(void **state)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{"hello", "not a ledger"},
		{"hello\n", "line 1"},
		{"{}\n", "not a ledger"},
		{"[]\n", "not a ledger"},
		{"{\"format\":\"mist-features\"}\n", "not a ledger"},
		{"{\"format\":\"mist-ledger\",\"version\":\"3.0\"}\n",
		 "format version 3.0 is newer than this program, which reads 2"},
		{"{\"format\":\"mist-ledger\",\"version\":\"x\"}\n", "'x' is not a version"},
		{"{\"format\":\"mist-ledger\",\"version\":\"1.0\",\"key\":\"0\"}\n", "fingerprint"},
	};
	struct buf text = BUF_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(rows); i++) {
		set_text(rows[i].text, strlen(rows[i].text));
		refused(STATUS_INPUT, rows[i].part);
		text_of(&text);
		assert_string_equal(text.data, rows[i].text);
		assert_false(path_exists(key));
	}
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	refused(STATUS_SYSTEM, "cannot open");
	buf_release(&text);
}

/* ------------------------------------------------------------------ the key */

static void a_key_that_is_missing_open_or_foreign_is_refused(void **state)
{
	struct err err;

	(void)state;
	ledger_close(open_it());
	assert_int_equal(chmod(key, 0640), 0);
	refused(STATUS_PRIVACY, "others can read");
	assert_int_equal(chmod(key, 0600), 0);
	ledger_close(open_it());
	assert_int_equal(unlink(key), 0);
	refused(STATUS_PRIVACY, "is missing");
	assert_int_equal(file_write(key, MODEL "\n", 65, &err), 0);
	assert_int_equal(chmod(key, 0600), 0);
	refused(STATUS_INPUT, "another's key");
	assert_int_equal(file_write(key, MODEL, 64, &err), 0);
	assert_int_equal(chmod(key, 0600), 0);
	refused(STATUS_INPUT, "not the key of a ledger");
}

static void files_are_for_their_owner(void **state)
{
	struct stat st;

	(void)state;
	ledger_close(open_it());
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(key, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Pseudonyms and noise are the key's: the same again when it is read again, others with another. */
static void names_are_the_keys(void **state)
{
	unsigned char pixels[12] = {1, 2, 3};
	const struct image img = {2, 2, pixels}, wide = {4, 1, pixels};
	uint8_t a[LEDGER_ID], b[LEDGER_ID], noise[32];
	struct ledger *l = open_it();

	(void)state;
	ledger_key_image(ledger_key(l), &img, a);
	ledger_key_image(ledger_key(l), &wide, b);
	assert_memory_not_equal(a, b, LEDGER_ID);
	memcpy(noise, ledger_key(l)->noise, 32);
	ledger_close(l);
	l = open_it();
	ledger_key_image(ledger_key(l), &img, b);
	assert_memory_equal(a, b, LEDGER_ID);
	assert_memory_equal(noise, ledger_key(l)->noise, 32);
	ledger_key_tag(ledger_key(l), noise, a);
	assert_memory_not_equal(a, noise, LEDGER_ID);
	ledger_close(l);
	unlink(path);
	unlink(key);
	l = open_it();
	ledger_key_image(ledger_key(l), &img, a);
	assert_memory_not_equal(a, b, LEDGER_ID);
	assert_memory_not_equal(noise, ledger_key(l)->noise, 32);
	ledger_close(l);
}

/* As the header tells it, without what makes it quick: Poly1305 of the pixels through a keyed BLAKE2b. */
static void pictures_are_named_as_documented(void **state)
{
	unsigned char pixels[12] = {1, 2, 3}, whole[8 + 16] = {2, 0, 0, 0, 2};
	const struct image img = {2, 2, pixels};
	uint8_t a[LEDGER_ID], b[LEDGER_ID], secret[32], keys[2][32], line[65];
	struct ledger *l = open_it();
	FILE *f = fopen(key, "r");
	size_t size;

	(void)state;
	assert_non_null(f);
	assert_int_equal(fread(line, 1, 65, f), 65);
	fclose(f);
	assert_int_equal(sodium_hex2bin(secret, 32, (char *)line, 64, NULL, &size, NULL), 0);
	crypto_kdf_derive_from_key(keys[0], 32, 2, "mistledg", secret);
	crypto_kdf_derive_from_key(keys[1], 32, 5, "mistledg", secret);
	crypto_onetimeauth(whole + 8, pixels, 12, keys[1]);
	crypto_generichash(a, LEDGER_ID, whole, sizeof(whole), keys[0], 32);
	ledger_key_image(ledger_key(l), &img, b);
	assert_memory_equal(a, b, LEDGER_ID);
	ledger_close(l);
}

static void accounts_are_shown(void **state)
{
	struct ledger *l = open_it();
	struct buf out = BUF_INIT;

	(void)state;
	spend(l, "edge one", 1, 1, 409600);
	spend(l, "b", 1, 1, INFINITY);
	ledger_show(ledger_book(l), "x", &out);
	assert_non_null(strstr(out.data, "ledger 'x', 2 clients\n"));
	assert_non_null(strstr(out.data, "edge one        1         1         409600"));
	assert_non_null(strstr(out.data, "b               1         1            inf"));
	buf_clear(&out);
	ledger_show_json(ledger_book(l), "x", &out);
	assert_non_null(strstr(out.data, "\"epsilon_per_client\":409600.0"));
	assert_non_null(strstr(out.data, "\"epsilon_per_client\":null"));
	ledger_close(l);
	buf_release(&out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_same_release_costs_once),
		TEST(without_noise_the_account_is_infinite_and_stays_so),
		TEST(sums_are_never_rounded_down),
		TEST(a_budget_refuses_and_records_nothing),
		TEST(a_line_holds_what_a_line_may_hold),
		TEST(what_another_recorded_meanwhile_is_seen),
		TEST(many_at_once_lose_nothing),
		TEST(a_ledger_that_is_held_is_said_to_be),
		TEST(a_torn_last_line_is_left_out_at_every_length),
		TEST(a_changed_byte_is_found),
		TEST(a_line_that_was_taken_out_is_missed),
		TEST(what_is_no_ledger_is_left_alone),
		TEST(a_key_that_is_missing_open_or_foreign_is_refused),
		TEST(files_are_for_their_owner),
		TEST(names_are_the_keys),
		TEST(pictures_are_named_as_documented),
		TEST(accounts_are_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
