// SPDX-License-Identifier: GPL-2.0
/*
 * Keys put, found and walked in a whole set, beside LMDB and SQLite (WAL) on the same keys in the same run.
 *
 *     update_bench [cpu | durable] [NR_KEYS[:ROUNDS]...]	(both; 1000000:3 10000000:1)
 *
 * SYSTEMS="ours LMDB" leaves others out, for looking at one of them: SQLite takes longest.
 *
 * Keys are positions of 20 bytes (inode, hash-like offset, snapshot), values 32 bytes, one transaction per
 * key. Ours is a freshly formatted set with journal, allocator and triggers, as a file system has it.
 *
 * cpu: nothing is waited for to be durable. Every system does its whole run in a process of its own, by
 * turns, and what is taken is CPU time, user and system, of all of its threads: what happens in the
 * background counts. Over the files in /dev/shm (BENCH_DIR picks another place), so no device has a say.
 *
 *	random insert	into an empty store, in random order		then the store is closed
 *	overwrite	all of them, in another random order		and opened again for
 *	lookup		a million random ones				ordered insert, empty again
 *	scan		all of them, in order
 *
 * durable: so many keys, then a flush that is waited for; in files on disk (BENCH_DISK, default
 * /var/tmp), which have been written to before. Beside it pwrite() of 4 KiB and fdatasync() on the same file.
 *
 * Closes with a table of ratios to LMDB and the goals for them. Other programs on the machine disturb less
 * the more rounds there are: medians are shown, and least and most.
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/err.h>

#include "bench.h"
#include "engine/btree/iter.h"
#include "engine/btree/trans.h"
#include "engine/btree/writer.h"
#include "engine/format/ids.h"
#include "engine/sb/format.h"
#include "engine/set/rw.h"
#include "engine/set/set_internal.h"
#include "kapi/kapi.h"
#include "require.h"
#include "set_io.h"

#define BTREE		BTREE_ID_xattrs
#define SNAP		0xffffffffU
#define VALUE_U64S	4
#define LOOKUPS		1000000
#define ROUNDS_MAX	9
#define SQLITE_MAX	2000000		/* it takes too long beyond */

/* ---- keys ---- */

struct raw_key {
	uint8_t	b[20];
};

/* the i-th in sorted order: hash-like offsets in some thousands of inodes */
static struct bpos pos_nr(size_t i)
{
	return SPOS(4096 + i / 1000, (i % 1000) << 32 | mix(i) >> 40, SNAP);
}

/* the same in an order by memcmp() */
static struct raw_key raw_nr(size_t i)
{
	struct bpos p = pos_nr(i);
	uint64_t inode = __builtin_bswap64(p.inode), offset = __builtin_bswap64(p.offset);
	uint32_t snapshot = __builtin_bswap32(p.snapshot);
	struct raw_key k;

	memcpy(k.b, &inode, 8);
	memcpy(k.b + 8, &offset, 8);
	memcpy(k.b + 16, &snapshot, 4);
	return k;
}

static void value_nr(uint64_t *v, size_t i, uint64_t version)
{
	v[0] = i;
	v[1] = version;
	v[2] = v[3] = mix(i + version);
}

static uint32_t *shuffled(size_t nr, uint64_t seed)
{
	uint32_t *order = malloc(nr * sizeof(*order));
	size_t i, j;

	require(order);
	for (i = 0; i < nr; i++)
		order[i] = i;
	for (i = nr; i > 1; i--) {
		uint32_t k = order[i - 1];

		j = mix(i + seed) % i;
		order[i - 1] = order[j];
		order[j] = k;
	}
	return order;
}

static int compare_doubles(const void *a, const void *b)
{
	double l = *(const double *)a, r = *(const double *)b;

	return l < r ? -1 : l > r;
}

/* ---- a store: one of three ---- */

struct store {
	const char		*path;
	/* ours */
	struct test_set		t;
	/* LMDB */
	MDB_env			*env;
	MDB_dbi			dbi;
	/* SQLite: one connection per thread */
	sqlite3			*db[2];
	sqlite3_stmt		*put[2], *get[2];
};

struct system {
	const char	*name;
	void		(*make)(struct store *s, bool durable, size_t nr);
	void		(*close)(struct store *s);
	/* key @i, one transaction each; @durable: @batch keys, then the flush */
	void		(*put)(struct store *s, const uint32_t *key, size_t nr, uint64_t version);
	void		(*put_durable)(struct store *s, unsigned int thread, size_t first, size_t batch);
	void		(*get)(struct store *s, const uint32_t *key, size_t nr, uint64_t version);
	void		(*scan)(struct store *s, size_t nr);
	double		(*memory)(struct store *s);
	void		(*tell)(struct store *s, size_t nr);	/* may be NULL */
};

static void preallocate(const char *path, uint64_t bytes)
{
	static char zeros[1 << 20];
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	uint64_t at;

	require(fd >= 0);
	for (at = 0; at < bytes; at += sizeof(zeros))
		require(pwrite(fd, zeros, sizeof(zeros), at) == sizeof(zeros));
	require(!fsync(fd));
	close(fd);
}

/* ---- ours ---- */

#define DURABLE_BYTES	(1ULL << 30)

static void ours_make(struct store *s, bool durable, size_t nr)
{
	struct sb_format_dev dev;
	struct sb_format format = { .dev = &dev, .nr_devs = 1 };
	struct text_buf reason = TEXT_BUF_INIT;
	struct block_device *bdev;
	struct sb_image img;
	char why[512], *path = (char *)s->path;

	if (durable)
		preallocate(path, DURABLE_BYTES);
	bce_sb_format_dev_init(&dev);
	dev.name = path;
	dev.sectors = (durable ? DURABLE_BYTES : (2ULL << 30) + nr * 400) / (1 << 20) * 2048;
	dev.logical_block_bytes = 512;
	dev.physical_block_bytes = 4096;
	dev.bucket_bytes = 512 << 10;
	require(!bce_sb_format_make(&img, &format, &reason));
	close(open(path, O_RDWR | O_CREAT, 0600));
	require(!truncate(path, dev.sectors * 512));
	bdev = kapi_bdev_open(path, O_RDWR);
	require(!IS_ERR(bdev) && !bce_sb_format_write(bdev, path, &img));
	kapi_bdev_close(bdev);
	bce_sb_image_exit(&img);
	if (test_set_open(&s->t, &path, 1, true, why)) {
		fprintf(stderr, "update_bench: %s\n", why);
		exit(1);
	}
}

static void ours_close(struct store *s)
{
	require(!test_set_close(&s->t, true) && !s->t.findings);
}

static void ours_put_one(struct bce_trans *t, size_t i, uint64_t version)
{
	uint64_t v[VALUE_U64S];
	struct bkey k = {
		.p = pos_nr(i), .type = KEY_TYPE_cookie, .val_u64s = VALUE_U64S, .v = v,
	};

	value_nr(v, i, version);
	do {
		bce_trans_begin(t);
		require(!bce_trans_update(t, BTREE, &k, 0));
		i = bce_trans_commit(t, 0);
	} while ((int)i == BCE_TRANS_RESTART);
	require(!i);
}

static void ours_put(struct store *s, const uint32_t *key, size_t nr, uint64_t version)
{
	struct bce_trans t;
	size_t i;

	bce_trans_init(&t, s->t.set->btrees);
	for (i = 0; i < nr; i++)
		ours_put_one(&t, key ? key[i] : i, version);
	bce_trans_exit(&t);
}

static void ours_put_durable(struct store *s, unsigned int thread, size_t first, size_t batch)
{
	struct bce_trans t;
	size_t i;

	bce_trans_init(&t, s->t.set->btrees);
	for (i = 0; i < batch; i++)
		ours_put_one(&t, first + i, 1);
	require(!bce_journal_flush_seq(s->t.set->rw->journal, t.journal_seq));
	bce_trans_exit(&t);
}

static void ours_get(struct store *s, const uint32_t *key, size_t nr, uint64_t version)
{
	struct bkey_buf buf;
	struct bkey k;
	size_t i;

	for (i = 0; i < nr; i++) {
		require(!bce_btree_lookup(s->t.set->btrees, BTREE, pos_nr(key[i]), NULL, &k, &buf));
		require(buf.v[0] == key[i] && buf.v[1] == version);
	}
}

static void ours_scan(struct store *s, size_t nr)
{
	struct btree_iter iter;
	const struct bkey *k;
	uint64_t sum = 0;
	size_t n = 0;

	bce_btree_iter_init(&iter, s->t.set->btrees, BTREE, 0, POS_MIN, BTREE_ITER_PREFETCH, NULL);
	for (k = bce_btree_iter_peek(&iter); !IS_ERR_OR_NULL(k); k = bce_btree_iter_next(&iter)) {
		sum += *(const uint64_t *)k->v;
		n++;
	}
	bce_btree_iter_exit(&iter);
	require(!k && n == nr && sum == nr * (nr - 1) / 2);
}

static double ours_memory(struct store *s)
{
	struct btrees_stats stats;

	bce_btrees_stats(s->t.set->btrees, &stats);
	return stats.bytes_cached;
}

static void ours_tell(struct store *s, size_t nr)
{
	struct btrees_write_stats w;
	struct journal_stats j;

	bce_btrees_write_stats(s->t.set->btrees, &w);
	bce_journal_stats(s->t.set->rw->journal, &j);
	printf("# bytes per key: journal %.1f in %llu entries, nodes %.1f in %llu writes; %llu splits, %llu rewrites\n",
	       j.sectors_written * 512. / nr, (unsigned long long)j.entries,
	       w.node_write_sectors * 512. / nr, (unsigned long long)w.node_writes,
	       (unsigned long long)w.splits, (unsigned long long)w.rewrites);
	fflush(stdout);
}

/* ---- LMDB ---- */

static void lmdb_make(struct store *s, bool durable, size_t nr)
{
	MDB_txn *txn;

	require(!mdb_env_create(&s->env));
	require(!mdb_env_set_mapsize(s->env, durable ? 4ULL << 30 : (1ULL << 30) + (nr * 400 & ~4095ULL)));
	require(!mdb_env_open(s->env, s->path, MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD |
			      (durable ? 0 : MDB_NOSYNC), 0600));
	require(!mdb_txn_begin(s->env, NULL, 0, &txn));
	require(!mdb_dbi_open(txn, NULL, 0, &s->dbi));
	require(!mdb_txn_commit(txn));
}

static void lmdb_close(struct store *s)
{
	mdb_env_close(s->env);
}

static void lmdb_put_batch(struct store *s, const uint32_t *key, size_t first, size_t nr,
			   uint64_t version)
{
	uint64_t value[VALUE_U64S];
	MDB_txn *txn;
	size_t i;

	require(!mdb_txn_begin(s->env, NULL, 0, &txn));
	for (i = first; i < first + nr; i++) {
		size_t n = key ? key[i] : i;
		struct raw_key raw = raw_nr(n);
		MDB_val k = { sizeof(raw), &raw }, v = { sizeof(value), value };

		value_nr(value, n, version);
		require(!mdb_put(txn, s->dbi, &k, &v, 0));
	}
	require(!mdb_txn_commit(txn));
}

static void lmdb_put(struct store *s, const uint32_t *key, size_t nr, uint64_t version)
{
	size_t i;

	for (i = 0; i < nr; i++)
		lmdb_put_batch(s, key, i, 1, version);
}

static void lmdb_put_durable(struct store *s, unsigned int thread, size_t first, size_t batch)
{
	lmdb_put_batch(s, NULL, first, batch, 1);
}

static void lmdb_get(struct store *s, const uint32_t *key, size_t nr, uint64_t version)
{
	uint64_t buf[VALUE_U64S];
	MDB_txn *txn;
	size_t i;

	require(!mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn));
	for (i = 0; i < nr; i++) {
		struct raw_key raw = raw_nr(key[i]);
		MDB_val k = { sizeof(raw), &raw }, v;

		require(!mdb_get(txn, s->dbi, &k, &v));
		memcpy(buf, v.mv_data, sizeof(buf));
		require(buf[0] == key[i] && buf[1] == version);
	}
	mdb_txn_abort(txn);
}

static void lmdb_scan(struct store *s, size_t nr)
{
	uint64_t sum = 0, first;
	MDB_cursor *cursor;
	MDB_val k, v;
	MDB_txn *txn;
	size_t n = 0;

	require(!mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn));
	require(!mdb_cursor_open(txn, s->dbi, &cursor));
	while (!mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
		memcpy(&first, v.mv_data, sizeof(first));
		sum += first;
		n++;
	}
	mdb_cursor_close(cursor);
	mdb_txn_abort(txn);
	require(n == nr && sum == nr * (nr - 1) / 2);
}

static double lmdb_memory(struct store *s)
{
	MDB_envinfo info;
	MDB_stat stat;

	require(!mdb_env_info(s->env, &info) && !mdb_env_stat(s->env, &stat));
	return (double)(info.me_last_pgno + 1) * stat.ms_psize;
}

/* ---- SQLite ---- */

static void sqlite_run(sqlite3 *db, const char *sql)
{
	char *error = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &error)) {
		fprintf(stderr, "update_bench: %s: %s\n", sql, error);
		exit(1);
	}
}

static void sqlite_step(sqlite3_stmt *stmt, int want)
{
	int ret = sqlite3_step(stmt);

	if (ret != want) {
		fprintf(stderr, "update_bench: SQLite: %s\n", sqlite3_errstr(ret));
		exit(1);
	}
}

static void sqlite_make(struct store *s, bool durable, size_t nr)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		require(!sqlite3_open(s->path, &s->db[i]));
		sqlite3_busy_timeout(s->db[i], 60000);
		sqlite_run(s->db[i], "PRAGMA journal_mode=WAL");
		sqlite_run(s->db[i], durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
		sqlite_run(s->db[i], "PRAGMA cache_size=-1000000");
		if (!i)
			sqlite_run(s->db[i], "CREATE TABLE IF NOT EXISTS t(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID");
		require(!sqlite3_prepare_v2(s->db[i], "INSERT OR REPLACE INTO t VALUES(?, ?)", -1,
					    &s->put[i], NULL));
		require(!sqlite3_prepare_v2(s->db[i], "SELECT v FROM t WHERE k = ?", -1, &s->get[i], NULL));
	}
}

static void sqlite_close(struct store *s)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		sqlite3_finalize(s->put[i]);
		sqlite3_finalize(s->get[i]);
		require(!sqlite3_close(s->db[i]));
	}
}

static void sqlite_put_one(sqlite3_stmt *stmt, size_t i, uint64_t version)
{
	struct raw_key raw = raw_nr(i);
	uint64_t value[VALUE_U64S];

	value_nr(value, i, version);
	sqlite3_bind_blob(stmt, 1, &raw, sizeof(raw), SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, value, sizeof(value), SQLITE_STATIC);
	sqlite_step(stmt, SQLITE_DONE);
	sqlite3_reset(stmt);
}

static void sqlite_put(struct store *s, const uint32_t *key, size_t nr, uint64_t version)
{
	size_t i;

	for (i = 0; i < nr; i++)
		sqlite_put_one(s->put[0], key ? key[i] : i, version);
}

static void sqlite_put_durable(struct store *s, unsigned int thread, size_t first, size_t batch)
{
	size_t i;

	sqlite_run(s->db[thread], "BEGIN IMMEDIATE");
	for (i = 0; i < batch; i++)
		sqlite_put_one(s->put[thread], first + i, 1);
	sqlite_run(s->db[thread], "COMMIT");
}

static void sqlite_get(struct store *s, const uint32_t *key, size_t nr, uint64_t version)
{
	uint64_t buf[VALUE_U64S];
	size_t i;

	sqlite_run(s->db[0], "BEGIN");
	for (i = 0; i < nr; i++) {
		struct raw_key raw = raw_nr(key[i]);

		sqlite3_bind_blob(s->get[0], 1, &raw, sizeof(raw), SQLITE_STATIC);
		sqlite_step(s->get[0], SQLITE_ROW);
		memcpy(buf, sqlite3_column_blob(s->get[0], 0), sizeof(buf));
		require(buf[0] == key[i] && buf[1] == version);
		sqlite3_reset(s->get[0]);
	}
	sqlite_run(s->db[0], "COMMIT");
}

static void sqlite_scan(struct store *s, size_t nr)
{
	uint64_t sum = 0, first;
	sqlite3_stmt *all;
	size_t n = 0;

	require(!sqlite3_prepare_v2(s->db[0], "SELECT k, v FROM t ORDER BY k", -1, &all, NULL));
	while (sqlite3_step(all) == SQLITE_ROW) {
		memcpy(&first, sqlite3_column_blob(all, 1), sizeof(first));
		sum += first;
		n++;
	}
	sqlite3_finalize(all);
	require(n == nr && sum == nr * (nr - 1) / 2);
}

static double sqlite_memory(struct store *s)
{
	return sqlite3_memory_used();
}

static const struct system systems[] = {
	{ "ours", ours_make, ours_close, ours_put, ours_put_durable, ours_get, ours_scan, ours_memory,
	  ours_tell },
	{ "LMDB", lmdb_make, lmdb_close, lmdb_put, lmdb_put_durable, lmdb_get, lmdb_scan, lmdb_memory },
	{ "SQLite", sqlite_make, sqlite_close, sqlite_put, sqlite_put_durable, sqlite_get, sqlite_scan,
	  sqlite_memory },
};
#define NR_SYSTEMS	3

static bool wanted(unsigned int system)
{
	const char *list = getenv("SYSTEMS");

	return !list || strstr(list, systems[system].name);
}

/* ---- processes of their own ---- */

static char dir[256];

static void dir_make(const char *env, const char *usual)
{
	const char *base = getenv(env) ?: access(usual, W_OK) ? "/tmp" : usual;

	snprintf(dir, sizeof(dir), "%s/update-bench-XXXXXX", base);
	require(mkdtemp(dir));
}

static const char *store_path(void)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/store", dir);
	return path;
}

static void store_remove(void)
{
	static const char *const more[] = { "", "-lock", "-wal", "-shm", "-journal" };
	char path[320];
	unsigned int i;

	for (i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s%s", store_path(), more[i]);
		unlink(path);
	}
}

/* runs @fn in a child; what it fills in comes back */
static void in_child(void (*fn)(void *arg, double *out), void *arg, double *out, unsigned int nr)
{
	int pipes[2], status;
	pid_t child;

	fflush(stdout);
	require(!pipe(pipes));
	child = fork();
	require(child >= 0);
	if (!child) {
		fn(arg, out);
		require(write(pipes[1], out, nr * sizeof(*out)) == (ssize_t)(nr * sizeof(*out)));
		_exit(0);
	}
	close(pipes[1]);
	require(read(pipes[0], out, nr * sizeof(*out)) == (ssize_t)(nr * sizeof(*out)));
	close(pipes[0]);
	require(waitpid(child, &status, 0) == child && !status);
	store_remove();
}

/* ---- CPU time ---- */

enum cpu_result {
	R_RANDOM_INSERT, R_OVERWRITE, R_LOOKUP, R_SCAN, R_ORDERED_INSERT,
	R_WRITTEN_RANDOM, R_WRITTEN_ORDERED, R_MEMORY, R_RESIDENT, NR_CPU_RESULTS,
};

static const char *const cpu_name[NR_CPU_RESULTS] = {
	"random insert", "overwrite", "lookup", "scan", "ordered insert", "written, random",
	"written, ordered", "memory", "resident",
};

/* how much of LMDB's is the goal; 0: bytes, see written_goal; -1: none */
static const double cpu_goal[NR_CPU_RESULTS] = { 1 / 6., 1 / 6., 0.4, 0.6, 0.1, 0, 0, -1, -1 };
#define WRITTEN_GOAL	160

struct cpu_run {
	const struct system	*system;
	size_t			nr;
	const uint32_t		*order[3];
};

static double cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static double written_bytes(void)
{
	unsigned long long wchar = 0, rchar;
	FILE *f = fopen("/proc/self/io", "r");

	require(f && fscanf(f, "rchar: %llu\nwchar: %llu", &rchar, &wchar) == 2);
	fclose(f);
	return wchar;
}

static void cpu_ordered(void *arg, double *out)
{
	struct cpu_run *r = arg;
	struct store s = { .path = store_path() };
	double written, cpu;

	r->system->make(&s, false, r->nr);
	written = written_bytes();
	cpu = cpu_us();
	r->system->put(&s, NULL, r->nr, 1);
	out[R_ORDERED_INSERT] = (cpu_us() - cpu) / r->nr;
	if (r->system->tell)
		r->system->tell(&s, r->nr);
	r->system->close(&s);
	out[R_WRITTEN_ORDERED] = (written_bytes() - written) / r->nr;
}

static void cpu_random(void *arg, double *out)
{
	struct cpu_run *r = arg;
	struct store s = { .path = store_path() };
	double written, cpu, resident = resident_bytes();
	size_t lookups = r->nr < LOOKUPS ? r->nr : LOOKUPS;

	r->system->make(&s, false, r->nr);
	written = written_bytes();
	cpu = cpu_us();
	r->system->put(&s, r->order[0], r->nr, 1);
	out[R_RANDOM_INSERT] = (cpu_us() - cpu) / r->nr;
	out[R_WRITTEN_RANDOM] = (written_bytes() - written) / r->nr;
	out[R_MEMORY] = r->system->memory(&s) / r->nr;
	out[R_RESIDENT] = (resident_bytes() - resident) / r->nr;
	if (r->system->tell)
		r->system->tell(&s, r->nr);

	cpu = cpu_us();
	r->system->put(&s, r->order[1], r->nr, 2);
	out[R_OVERWRITE] = (cpu_us() - cpu) / r->nr;
	/* once for the caches, and for what still goes on in the background */
	r->system->get(&s, r->order[1], lookups, 2);
	cpu = cpu_us();
	r->system->get(&s, r->order[2], lookups, 2);
	out[R_LOOKUP] = (cpu_us() - cpu) / lookups;
	r->system->scan(&s, r->nr);
	cpu = cpu_us();
	r->system->scan(&s, r->nr);
	out[R_SCAN] = (cpu_us() - cpu) / r->nr;
	r->system->close(&s);
}

/* all rounds of one size, by system */
struct cpu_table {
	double		v[NR_SYSTEMS][NR_CPU_RESULTS][ROUNDS_MAX];
	unsigned int	rounds[NR_SYSTEMS];
};

static void cpu_round(struct cpu_table *table, struct cpu_run *run, unsigned int system)
{
	double out[NR_CPU_RESULTS] = { };
	unsigned int i;

	run->system = &systems[system];
	in_child(cpu_random, run, out, NR_CPU_RESULTS);
	in_child(cpu_ordered, run, out, NR_CPU_RESULTS);
	printf("# %-7s", run->system->name);
	for (i = 0; i < NR_CPU_RESULTS; i++) {
		table->v[system][i][table->rounds[system]] = out[i];
		printf(" %s %.3f%s", cpu_name[i], out[i], i + 1 < NR_CPU_RESULTS ? "," : "\n");
	}
	fflush(stdout);
	table->rounds[system]++;
}

static const char *verdict(double value, double goal)
{
	return value <= goal ? "met" : "missed";
}

static void cpu_row(const struct cpu_table *t, unsigned int i)
{
	double ours = t->v[0][i][t->rounds[0] / 2], lmdb = t->v[1][i][t->rounds[1] / 2];
	unsigned int s;

	printf("%-17s", cpu_name[i]);
	for (s = 0; s < NR_SYSTEMS; s++)
		if (t->rounds[s])
			printf(" %8.3f %7.3f-%-8.3f", t->v[s][i][t->rounds[s] / 2], t->v[s][i][0],
			       t->v[s][i][t->rounds[s] - 1]);
		else
			printf(" %8s %16s", "-", "");
	printf(" %7.3f", ours / lmdb);
	if (cpu_goal[i] > 0)
		printf("  %.3f %s", cpu_goal[i], verdict(ours / lmdb, cpu_goal[i]));
	else if (!cpu_goal[i])
		printf("  %u bytes %s", WRITTEN_GOAL, verdict(ours, WRITTEN_GOAL));
	printf("\n");
}

static void cpu_print(struct cpu_table *t, size_t nr)
{
	unsigned int s, i;
	double load[3] = { };

	require(getloadavg(load, 3) > 0);
	printf("\n%zu keys of 20 + 32 bytes: CPU microseconds per operation, bytes per key; median, least-most; load %.1f\n",
	       nr, load[0]);
	printf("%-17s", "");
	for (s = 0; s < NR_SYSTEMS; s++) {
		printf(" %-25s", systems[s].name);
		for (i = 0; i < NR_CPU_RESULTS; i++)
			qsort(t->v[s][i], t->rounds[s], sizeof(double), compare_doubles);
	}
	printf(" of LMDB  goal\n");
	for (i = 0; i < NR_CPU_RESULTS; i++)
		cpu_row(t, i);
	printf("\n");
}

static void cpu_bench(size_t nr, unsigned int rounds)
{
	static struct cpu_table table;
	struct cpu_run run = { .nr = nr };
	unsigned int round, s;

	memset(&table, 0, sizeof(table));
	for (s = 0; s < 3; s++)
		run.order[s] = shuffled(nr, s * 1000003);
	for (round = 0; round < rounds; round++)
		for (s = 0; s < NR_SYSTEMS; s++)
			if (wanted(s) && (s != 2 || (nr <= SQLITE_MAX && !round)))
				cpu_round(&table, &run, s);
	cpu_print(&table, nr);
	for (s = 0; s < 3; s++)
		free((void *)run.order[s]);
}

/* ---- durable ---- */

#define DURABLE_SECONDS	1.0
#define DURABLE_ROUNDS	5

static const unsigned int batches[] = { 1, 100, 1000 };
#define NR_BATCHES	3

/* rounds of: plain writes; then threads - 1, batch */
struct durable_table {
	double	plain[DURABLE_ROUNDS];
	double	v[2][NR_BATCHES][DURABLE_ROUNDS];
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static double plain_writes(int fd)
{
	static char block[4096];
	double begin = now(), t;
	unsigned long n = 0;

	do {
		block[0]++;
		require(pwrite(fd, block, sizeof(block), n * 4096 % (8 << 20)) == sizeof(block));
		require(!fdatasync(fd));
		n++;
		t = now() - begin;
	} while (t < DURABLE_SECONDS);
	return n / t;
}

struct inserter {
	const struct system	*system;
	struct store		*store;
	pthread_t		thread;
	unsigned int		nr;
	size_t			batch;
	size_t			first, n;
};

static void *inserter_run(void *arg)
{
	struct inserter *in = arg;
	double begin = now();

	do {
		in->system->put_durable(in->store, in->nr, in->first + in->n, in->batch);
		in->n += in->batch;
	} while (now() - begin < DURABLE_SECONDS);
	return NULL;
}

static double inserts(const struct system *system, struct store *s, unsigned int threads,
		      size_t batch, size_t *next)
{
	struct inserter in[2] = { };
	double begin = now();
	size_t n = 0;
	unsigned int i;

	for (i = 0; i < threads; i++) {
		in[i] = (struct inserter) {
			.system = system, .store = s, .nr = i, .batch = batch,
			.first = *next + i * 100000000ULL,
		};
		require(!pthread_create(&in[i].thread, NULL, inserter_run, &in[i]));
	}
	for (i = 0; i < threads; i++) {
		require(!pthread_join(in[i].thread, NULL));
		n += in[i].n;
	}
	*next += n;
	return n / (now() - begin);
}

static void durable_run(void *arg, double *out)
{
	const struct system *system = arg;
	struct durable_table *t = (struct durable_table *)out;
	struct store s = { .path = store_path() };
	unsigned int round, threads, b;
	char path[320];
	size_t next = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/plain", dir);
	preallocate(path, 8 << 20);
	fd = open(path, O_RDWR);
	require(fd >= 0);
	system->make(&s, true, 0);
	for (round = 0; round < DURABLE_ROUNDS; round++) {
		t->plain[round] = plain_writes(fd);
		for (b = 0; b < NR_BATCHES; b++)
			for (threads = 1; threads <= 2; threads++)
				t->v[threads - 1][b][round] = inserts(system, &s, threads, batches[b],
								      &next);
	}
	system->close(&s);
	close(fd);
	unlink(path);
}

static double median(double *v, unsigned int nr)
{
	qsort(v, nr, sizeof(*v), compare_doubles);
	return v[nr / 2];
}

static void durable_bench(void)
{
	static struct durable_table t[NR_SYSTEMS];
	double plain[NR_SYSTEMS], load[3] = { }, rate;
	unsigned int s, b, threads;

	for (s = 0; s < NR_SYSTEMS; s++)
		if (wanted(s))
			in_child(durable_run, (void *)&systems[s], (double *)&t[s],
				 sizeof(t[s]) / sizeof(double));
	require(getloadavg(load, 3) > 0);
	printf("\ndurable keys per second, median of %u, least-most; load %.1f\n", DURABLE_ROUNDS, load[0]);
	printf("%-28s %-28s %-28s %-28s goal\n", "", "ours", "LMDB", "SQLite");
	for (s = 0; s < NR_SYSTEMS; s++)
		plain[s] = median(t[s].plain, DURABLE_ROUNDS);
	printf("%-28s", "pwrite 4 KiB, fdatasync");
	for (s = 0; s < NR_SYSTEMS; s++)
		printf(" %8.0f %8.0f-%-10.0f", plain[s], t[s].plain[0], t[s].plain[DURABLE_ROUNDS - 1]);
	printf("\n");
	for (b = 0; b < NR_BATCHES; b++)
		for (threads = 1; threads <= 2; threads++) {
			printf("%4u per flush, %u thread%-6s", batches[b], threads, threads > 1 ? "s" : "");
			for (s = 0; s < NR_SYSTEMS; s++) {
				double *v = t[s].v[threads - 1][b];

				rate = median(v, DURABLE_ROUNDS);
				printf(" %8.0f %8.0f-%-10.0f", rate, v[0], v[DURABLE_ROUNDS - 1]);
			}
			rate = t[0].v[threads - 1][b][DURABLE_ROUNDS / 2];
			if (batches[b] == 1 && threads == 1)
				printf(" %.2f of pwrite; 0.90 %s", rate / plain[0],
				       rate >= 0.9 * plain[0] ? "met" : "missed");
			if (batches[b] == 100 && threads == 1)
				printf(" 300000 %s", rate >= 300e3 ? "met" : "missed");
			printf("\n");
		}
	printf("\n");
}

static void run_cpu(const char *what)
{
	char *end;
	size_t nr = strtoull(what, &end, 10);
	unsigned long rounds = *end == ':' ? strtoul(end + 1, NULL, 10) : 1;

	require(nr && nr <= UINT32_MAX && rounds && rounds <= ROUNDS_MAX);
	cpu_bench(nr, rounds);
}

/*
 * The kernel's own memory is mapped by large pages. The C library, from which we have it here, is asked
 * to do likewise, which takes a start with that in the environment.
 */
static void ask_for_large_pages(char **argv)
{
	if (getenv("GLIBC_TUNABLES"))
		return;
	setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=1073741824:"
	       "glibc.malloc.trim_threshold=1073741824:glibc.malloc.top_pad=67108864:"
	       "glibc.malloc.arena_max=1", 1);
	execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	bool cpu = true, durable = true;
	int i = 1;

	ask_for_large_pages(argv);

	if (argc > 1 && (!strcmp(argv[1], "cpu") || !strcmp(argv[1], "durable"))) {
		cpu = argv[1][0] == 'c';
		durable = !cpu;
		i++;
	}
	if (cpu) {
		dir_make("BENCH_DIR", "/dev/shm");
		if (i == argc) {
			run_cpu("1000000:3");
			run_cpu("10000000:1");
		}
		for (; i < argc; i++)
			run_cpu(argv[i]);
		rmdir(dir);
	}
	if (durable) {
		dir_make("BENCH_DISK", "/var/tmp");
		durable_bench();
		rmdir(dir);
	}
	return 0;
}
