/*
 * judge: have OpenZFS's own receive code (libzpool, in user space) take a chain
 * of send streams into a pool on a sparse file, then list what arrived.
 *
 *	judge [-l] [-f] POOLFILE STREAM...
 *	judge [-l] [-f] -s POOLFILE
 *
 * -l  the pool is of version 28: no feature flags
 * -f  the streams come from a real ZFS: do not insist on what it does not keep
 *     (parents of files that had hard links, owners with a domain index, ...)
 * -s  read a chain of streams from each line of stdin, their paths with tabs between, and
 *     receive it into datasets of its own. Refusals and faults go to stdout too, each a
 *     line, and behind each chain comes a line "end". The program ends with its input, or
 *     when an assertion aborts it.
 *
 * The listing, one JSON object per line, goes to stdout: for every snapshot
 * received a line with its facts, then one line per name. README.md has the
 * fields. What the kernel never checks is checked here: link counts, directory
 * sizes, parents, entry types, reachability of every object, order of ZAP
 * entries, tails of files.
 *
 * Exit status: 0 received and sound, 1 received but faults were found (each a
 * line on stderr), 2 refused, 3 the judge itself failed. An assertion in
 * libzpool aborts the program: that is a refusal too.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <errno.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <openssl/evp.h>

#include <sys/zfs_context.h>
#include <sys/spa.h>
#include <sys/spa_impl.h>
#include <sys/dmu.h>
#include <sys/dmu_objset.h>
#include <sys/dmu_recv.h>
#include <sys/dsl_dataset.h>
#include <sys/zap.h>
#include <sys/sa.h>
#include <sys/zfs_acl.h>
#include <sys/zfs_sa.h>
#include <sys/zfs_znode.h>
#include <sys/zfs_ioctl.h>
#include <sys/zfs_file.h>
#include <zfeature_common.h>

#define	POOL		"zones"
#define	POOL_SIZE	(256ULL << 30)
#define	BLOCK		(128 << 10)	/* unit of the hash of large files */
#define	LARGE		(1ULL << 30)	/* files above this are hashed by extents */
#define	FLAG_XATTR	0x1ULL		/* pflags: belongs to an xattr directory */
#define	OBJECT_BITS	48
#define	ACE_OWNING_GROUP 0x2040
#define	MAX_FAULTS	100

extern int zfs_nocacheflush;
extern char *spa_config_path;

static boolean_t legacy, foreign, serving;
static int faults;
static jmp_buf refusal;		/* serving: where a refusal leads to */

/* Where refusals and faults are told. */
static FILE *
complaints(void)
{
	return (serving ? stdout : stderr);
}

static void __attribute__((noreturn, format(printf, 2, 3)))
stop(int status, const char *fmt, ...)
{
	va_list ap;

	FILE *f = status == 2 ? complaints() : stderr;

	fflush(stdout);
	fprintf(f, status == 2 ? "refused: " : "judge: ");
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	fputc('\n', f);
	if (status == 2 && serving)
		longjmp(refusal, 1);
	/* The pool is scratch: nothing is worth an orderly end. */
	_exit(status);
}

static void __attribute__((format(printf, 1, 2)))
fault(const char *fmt, ...)
{
	va_list ap;

	if (++faults > MAX_FAULTS)
		return;
	fprintf(complaints(), "fault: ");
	va_start(ap, fmt);
	vfprintf(complaints(), fmt, ap);
	va_end(ap);
	fputc('\n', complaints());
}

static void *
grow(void *p, size_t n)
{
	p = realloc(p, n);
	if (p == NULL)
		stop(3, "out of memory");
	return (p);
}

static const char *
errtext(int err)
{
	static char buf[40];

	switch (err) {
	case ECKSUM:
		return ("checksum mismatch");
	case ZFS_ERR_WRONG_PARENT:
		return ("wrong parent");
	case ZFS_ERR_UNKNOWN_SEND_STREAM_FEATURE:
		return ("unknown stream feature");
	case ZFS_ERR_STREAM_TRUNCATED:
		return ("stream truncated");
	case ZFS_ERR_STREAM_LARGE_BLOCK_MISMATCH:
		return ("large block mismatch");
	}
	if (err < 1024)
		return (strerror(err));
	snprintf(buf, sizeof (buf), "ZFS error %d", err);
	return (buf);
}

/*
 * Hashes
 */

static EVP_MD_CTX *
hash_start(void)
{
	EVP_MD_CTX *h = EVP_MD_CTX_new();

	if (h == NULL || EVP_DigestInit_ex(h, EVP_sha256(), NULL) != 1)
		stop(3, "no SHA-256");
	return (h);
}

static void
hash_end(EVP_MD_CTX *h, char hex[65])
{
	unsigned char sum[32];

	EVP_DigestFinal_ex(h, sum, NULL);
	EVP_MD_CTX_free(h);
	for (int i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", sum[i]);
}

static void
hash_bytes(const void *p, size_t n, char hex[65])
{
	EVP_MD_CTX *h = hash_start();

	EVP_DigestUpdate(h, p, n);
	hash_end(h, hex);
}

static boolean_t
all_zero(const char *p, size_t n)
{
	return (n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0));
}

static void
hash_u64(EVP_MD_CTX *h, uint64_t v)
{
	unsigned char b[8];

	for (int i = 0; i < 8; i++)
		b[i] = v >> (8 * i);
	EVP_DigestUpdate(h, b, 8);
}

static void
hash_zeros(EVP_MD_CTX *h, uint64_t n)
{
	static const char zeros[BLOCK];

	for (; n > 0; n -= MIN(n, BLOCK))
		EVP_DigestUpdate(h, zeros, MIN(n, BLOCK));
}

/*
 * The hash of an object's first `size` bytes. Up to LARGE bytes it is the plain
 * SHA-256. Above, only the aligned 128 KiB blocks that hold a non-zero byte
 * count, each as offset, length (64 bits, little-endian) and bytes.
 */
static void
hash_object(objset_t *os, uint64_t object, uint64_t size, const char *what,
    char hex[65])
{
	static char buf[BLOCK];
	EVP_MD_CTX *h = hash_start();
	boolean_t large = size > LARGE;
	uint64_t done = 0;	/* all before is hashed; a multiple of BLOCK */

	while (done < size) {
		uint64_t data = done, end;
		int err = dmu_offset_next(os, object, B_FALSE, &data);

		if (err == ESRCH)
			break;
		if (err != 0) {
			fault("%s: looking for data: %s", what, errtext(err));
			break;
		}
		end = data;
		if (dmu_offset_next(os, object, B_TRUE, &end) != 0 ||
		    end <= data || end > size)
			end = size;
		data = P2ALIGN(data, (uint64_t)BLOCK);
		if (data >= size)
			break;
		if (!large)
			hash_zeros(h, data - done);
		for (done = data; done < end; ) {
			size_t n = MIN(BLOCK, size - done);

			err = dmu_read(os, object, done, n, buf,
			    DMU_READ_PREFETCH);
			if (err != 0) {
				fault("%s: reading at %llu: %s", what,
				    (u_longlong_t)done, errtext(err));
				done = size;
				break;
			}
			if (!large) {
				EVP_DigestUpdate(h, buf, n);
			} else if (!all_zero(buf, n)) {
				hash_u64(h, done);
				hash_u64(h, n);
				EVP_DigestUpdate(h, buf, n);
			}
			done += n;
		}
	}
	if (!large && done < size)
		hash_zeros(h, size - done);
	hash_end(h, hex);
}

/*
 * Output
 */

static void
put_escaped(FILE *f, const char *s, size_t n)
{
	fputc('"', f);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = s[i];

		if (c < 0x20 || c > 0x7e || c == '\\' || c == '"')
			fprintf(f, "\\\\x%02x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void
put_hex(FILE *f, const unsigned char *p, size_t n)
{
	fputc('"', f);
	while (n-- > 0)
		fprintf(f, "%02x", *p++);
	fputc('"', f);
}

/*
 * One file, directory, link or device: an object of type 19 or 20.
 */
typedef struct node {
	uint64_t	object;
	uint64_t	bonustype, blocksize, maxoffset, bonussize;
	uint64_t	mode, size, gen, uid, gid, parent, flags, links;
	uint64_t	xattr, rdev;
	uint64_t	mtime[2];
	uint64_t	names;		/* found in directories */
	uint64_t	owner;		/* xattr directory: whose */
	boolean_t	isdir, broken, reached, parent_seen, queued;
	char		*facts;		/* printed fields, if used again */
	size_t		factslen;
} node_t;

/* The file system being listed. */
static struct {
	objset_t	*os;
	const char	*name;
	uint64_t	version, root, queue, shares;
	sa_attr_type_t	*sa;
	node_t		*nodes;
	size_t		n, cap;
} fs;

static node_t *
find_node(uint64_t object)
{
	size_t lo = 0, hi = fs.n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (fs.nodes[mid].object < object)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < fs.n && fs.nodes[lo].object == object)
		return (&fs.nodes[lo]);
	return (NULL);
}

static uint64_t
get_attr(node_t *nd, sa_handle_t *hdl, zpl_attr_t attr, const char *name)
{
	uint64_t v = 0;
	int err = sa_lookup(hdl, fs.sa[attr], &v, sizeof (v));

	if (err != 0)
		fault("object %llu: attribute %s: %s",
		    (u_longlong_t)nd->object, name, errtext(err));
	return (v);
}

static void
check_time(node_t *nd, const char *name, const uint64_t t[2])
{
	if (t[1] >= 1000000000)
		fault("object %llu: %s has %llu nanoseconds",
		    (u_longlong_t)nd->object, name, (u_longlong_t)t[1]);
}

static void
read_sa(node_t *nd)
{
	static const struct { zpl_attr_t attr; const char *name; } times[] = {
		{ ZPL_ATIME, "ATIME" }, { ZPL_MTIME, "MTIME" },
		{ ZPL_CTIME, "CTIME" }, { ZPL_CRTIME, "CRTIME" }
	};
	sa_handle_t *hdl;
	int err = sa_handle_get(fs.os, nd->object, NULL, SA_HDL_PRIVATE, &hdl);

	if (err != 0) {
		fault("object %llu: system attributes: %s",
		    (u_longlong_t)nd->object, errtext(err));
		nd->broken = B_TRUE;
		return;
	}
	nd->mode = get_attr(nd, hdl, ZPL_MODE, "MODE");
	nd->size = get_attr(nd, hdl, ZPL_SIZE, "SIZE");
	nd->gen = get_attr(nd, hdl, ZPL_GEN, "GEN");
	nd->uid = get_attr(nd, hdl, ZPL_UID, "UID");
	nd->gid = get_attr(nd, hdl, ZPL_GID, "GID");
	nd->parent = get_attr(nd, hdl, ZPL_PARENT, "PARENT");
	nd->flags = get_attr(nd, hdl, ZPL_FLAGS, "FLAGS");
	nd->links = get_attr(nd, hdl, ZPL_LINKS, "LINKS");
	for (int i = 0; i < 4; i++) {
		uint64_t t[2] = { 0, 0 };

		err = sa_lookup(hdl, fs.sa[times[i].attr], t, sizeof (t));
		if (err != 0)
			fault("object %llu: attribute %s: %s",
			    (u_longlong_t)nd->object, times[i].name,
			    errtext(err));
		check_time(nd, times[i].name, t);
		if (times[i].attr == ZPL_MTIME)
			memcpy(nd->mtime, t, sizeof (t));
	}
	if (sa_lookup(hdl, fs.sa[ZPL_XATTR], &nd->xattr, 8) != 0)
		nd->xattr = 0;
	if (S_ISCHR(nd->mode) || S_ISBLK(nd->mode))
		nd->rdev = get_attr(nd, hdl, ZPL_RDEV, "RDEV");
	sa_handle_destroy(hdl);
}

static void
read_znode(node_t *nd)
{
	dmu_buf_t *db;
	znode_phys_t *z;
	int err = dmu_bonus_hold(fs.os, nd->object, FTAG, &db);

	if (err != 0 || db->db_size < sizeof (*z)) {
		fault("object %llu: old-style attributes: %s",
		    (u_longlong_t)nd->object,
		    err != 0 ? errtext(err) : "too short");
		if (err == 0)
			dmu_buf_rele(db, FTAG);
		nd->broken = B_TRUE;
		return;
	}
	z = db->db_data;
	nd->mode = z->zp_mode;
	nd->size = z->zp_size;
	nd->gen = z->zp_gen;
	nd->uid = z->zp_uid;
	nd->gid = z->zp_gid;
	nd->parent = z->zp_parent;
	nd->flags = z->zp_flags;
	nd->links = z->zp_links;
	nd->xattr = z->zp_xattr;
	nd->rdev = z->zp_rdev;
	memcpy(nd->mtime, z->zp_mtime, sizeof (nd->mtime));
	check_time(nd, "atime", z->zp_atime);
	check_time(nd, "mtime", z->zp_mtime);
	check_time(nd, "ctime", z->zp_ctime);
	check_time(nd, "crtime", z->zp_crtime);
	dmu_buf_rele(db, FTAG);
}

/* Everything that can be said about a node without knowing its names. */
static void
check_node(node_t *nd)
{
	u_longlong_t o = nd->object;
	uint64_t type = nd->mode & S_IFMT;

	if (nd->mode & ~(uint64_t)(S_IFMT | 07777))
		fault("object %llu: mode 0%llo", o, (u_longlong_t)nd->mode);
	if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK &&
	    type != S_IFCHR && type != S_IFBLK && type != S_IFIFO &&
	    type != S_IFSOCK)
		fault("object %llu: mode 0%llo is of no type", o,
		    (u_longlong_t)nd->mode);
	if ((type == S_IFDIR) != nd->isdir)
		fault("object %llu: mode 0%llo in an object for %s", o,
		    (u_longlong_t)nd->mode, nd->isdir ? "directories" :
		    "files");
	if ((type == S_IFCHR || type == S_IFBLK || type == S_IFIFO ||
	    type == S_IFSOCK) && nd->size != 0 && !foreign)
		fault("object %llu: special file of size %llu", o,
		    (u_longlong_t)nd->size);
	if (!foreign && (nd->uid >> 32 || nd->gid >> 32))
		fault("object %llu: owner %llx:%llx has a domain index", o,
		    (u_longlong_t)nd->uid, (u_longlong_t)nd->gid);
	if (nd->maxoffset > nd->blocksize && !ISP2(nd->blocksize))
		fault("object %llu: several blocks of %llu bytes", o,
		    (u_longlong_t)nd->blocksize);
	if (type == S_IFREG && nd->size > nd->blocksize &&
	    !ISP2(nd->blocksize))
		fault("object %llu: %llu bytes in blocks of %llu", o,
		    (u_longlong_t)nd->size, (u_longlong_t)nd->blocksize);
	/* Bytes after the end would come to light when the file grows. */
	if (type == S_IFREG && nd->maxoffset > nd->size) {
		char *buf;
		uint64_t end = P2ROUNDUP_TYPED(MAX(nd->size, 1), nd->blocksize,
		    uint64_t);

		if (!ISP2(nd->blocksize))
			end = nd->blocksize;
		if (nd->maxoffset > end)
			fault("object %llu: has blocks up to %llu, size %llu",
			    o, (u_longlong_t)nd->maxoffset,
			    (u_longlong_t)nd->size);
		buf = grow(NULL, end - nd->size + 1);
		if (dmu_read(fs.os, nd->object, nd->size, end - nd->size, buf,
		    DMU_READ_NO_PREFETCH) == 0 &&
		    !all_zero(buf, end - nd->size))
			fault("object %llu: bytes after the end at %llu", o,
			    (u_longlong_t)nd->size);
		free(buf);
	}
}

/* Collect all objects of the file system. */
static void
read_nodes(void)
{
	uint64_t object = 0;
	int err;

	fs.n = 0;
	while ((err = dmu_object_next(fs.os, &object, B_FALSE, 0)) == 0) {
		dmu_object_info_t doi;
		node_t *nd;

		err = dmu_object_info(fs.os, object, &doi);
		if (err != 0) {
			fault("object %llu: %s", (u_longlong_t)object,
			    errtext(err));
			continue;
		}
		switch (doi.doi_type) {
		case DMU_OT_MASTER_NODE:
			if (object != MASTER_NODE_OBJ)
				fault("object %llu: a second master node",
				    (u_longlong_t)object);
			continue;
		case DMU_OT_UNLINKED_SET:
		case DMU_OT_SA_MASTER_NODE:
		case DMU_OT_SA_ATTR_REGISTRATION:
		case DMU_OT_SA_ATTR_LAYOUTS:
		case DMU_OT_FUID:
		case DMU_OT_ACL:
		case DMU_OT_SYSACL:
		case DMU_OT_USERGROUP_QUOTA:
			continue;
		case DMU_OT_PLAIN_FILE_CONTENTS:
		case DMU_OT_DIRECTORY_CONTENTS:
			break;
		default:
			fault("object %llu: type %u has no place here",
			    (u_longlong_t)object, doi.doi_type);
			continue;
		}
		if (fs.n == fs.cap) {
			fs.cap = fs.cap ? 2 * fs.cap : 1024;
			fs.nodes = grow(fs.nodes, fs.cap * sizeof (node_t));
		}
		nd = &fs.nodes[fs.n++];
		memset(nd, 0, sizeof (*nd));
		nd->object = object;
		nd->isdir = doi.doi_type == DMU_OT_DIRECTORY_CONTENTS;
		nd->bonustype = doi.doi_bonus_type;
		nd->bonussize = doi.doi_bonus_size;
		nd->blocksize = doi.doi_data_block_size;
		nd->maxoffset = doi.doi_max_offset;
		if (nd->bonustype == DMU_OT_SA && fs.sa != NULL) {
			read_sa(nd);
		} else if (nd->bonustype == DMU_OT_ZNODE) {
			read_znode(nd);
		} else {
			fault("object %llu: bonus type %llu",
			    (u_longlong_t)object,
			    (u_longlong_t)nd->bonustype);
			nd->broken = B_TRUE;
		}
		if (!nd->broken)
			check_node(nd);
	}
	if (err != ESRCH)
		fault("%s: next object: %s", fs.name, errtext(err));
}

/*
 * Walk a ZAP in hash order. Every entry must be found again by its name, and
 * no two may have the same place. The callback gets name and value.
 */
typedef void (*zap_fn)(const char *name, uint64_t value, void *arg);

static uint64_t
walk_zap(uint64_t object, const char *what, zap_fn fn, void *arg)
{
	zap_cursor_t zc;
	zap_attribute_t za;
	uint64_t n = 0, count = 0, hash = 0, v;
	uint32_t cd = 0;
	int err;

	for (zap_cursor_init(&zc, fs.os, object);
	    (err = zap_cursor_retrieve(&zc, &za)) == 0;
	    zap_cursor_advance(&zc)) {
		if (n > 0 && (zc.zc_hash < hash ||
		    (zc.zc_hash == hash && zc.zc_cd <= cd)))
			fault("%s: entry %s is out of order", what,
			    za.za_name);
		hash = zc.zc_hash;
		cd = zc.zc_cd;
		n++;
		if (za.za_integer_length != 8 || za.za_num_integers != 1) {
			fault("%s: entry %s is no single number", what,
			    za.za_name);
			continue;
		}
		err = zap_lookup(fs.os, object, za.za_name, 8, 1, &v);
		if (err != 0 || v != za.za_first_integer)
			fault("%s: entry %s is not found by its name", what,
			    za.za_name);
		fn(za.za_name, za.za_first_integer, arg);
	}
	zap_cursor_fini(&zc);
	if (err != ENOENT)
		fault("%s: reading entries: %s", what, errtext(err));
	err = zap_count(fs.os, object, &count);
	if (err != 0 || count != n)
		fault("%s: %llu entries found, %llu counted", what,
		    (u_longlong_t)n, (u_longlong_t)count);
	return (n);
}

/*
 * Extended attributes: a hidden directory, or (OpenZFS only) an nvlist among
 * the system attributes.
 */
typedef struct xattrs {
	node_t	*dir;
	FILE	*out;
	int	n;
	nvlist_t *seen;
} xattrs_t;

static void
put_xattr(xattrs_t *x, const char *name, const char *hex)
{
	if (nvlist_exists(x->seen, name))
		fault("xattr %s is there twice", name);
	fnvlist_add_boolean(x->seen, name);
	fprintf(x->out, "%s", x->n++ ? "," : ",\"xattrs\":{");
	put_escaped(x->out, name, strlen(name));
	fprintf(x->out, ":\"%s\"", hex);
}

static void
xattr_entry(const char *name, uint64_t value, void *arg)
{
	xattrs_t *x = arg;
	node_t *nd = find_node(value & ((1ULL << OBJECT_BITS) - 1));
	char hex[65];

	if (nd == NULL || nd->broken) {
		fault("xattr directory %llu: %s names no file",
		    (u_longlong_t)x->dir->object, name);
		return;
	}
	nd->names++;
	nd->reached = B_TRUE;
	if (nd->parent == x->dir->object)
		nd->parent_seen = B_TRUE;
	if (!S_ISREG(nd->mode) || value >> 60 != 8)
		fault("xattr %s (object %llu) is no regular file", name,
		    (u_longlong_t)nd->object);
	if (!(nd->flags & FLAG_XATTR))
		fault("xattr %s (object %llu) lacks the xattr flag", name,
		    (u_longlong_t)nd->object);
	hash_object(fs.os, nd->object, nd->size, name, hex);
	put_xattr(x, name, hex);
}

static void
put_xattr_dir(node_t *owner, xattrs_t *x)
{
	node_t *dir = find_node(owner->xattr);
	char what[60];
	uint64_t n;

	snprintf(what, sizeof (what), "xattr directory %llu",
	    (u_longlong_t)owner->xattr);
	if (dir == NULL || dir->broken || !dir->isdir) {
		fault("object %llu: no %s", (u_longlong_t)owner->object, what);
		return;
	}
	if (dir->owner != 0)
		fault("%s has two owners, %llu and %llu", what,
		    (u_longlong_t)dir->owner, (u_longlong_t)owner->object);
	dir->owner = owner->object;
	dir->reached = B_TRUE;
	if (!(dir->flags & FLAG_XATTR))
		fault("%s lacks the xattr flag", what);
	if (dir->parent != owner->object)
		fault("%s has parent %llu, owner %llu", what,
		    (u_longlong_t)dir->parent, (u_longlong_t)owner->object);
	if (dir->links != 2)
		fault("%s has %llu links", what, (u_longlong_t)dir->links);
	x->dir = dir;
	n = walk_zap(dir->object, what, xattr_entry, x);
	if (dir->size != n + 2)
		fault("%s has size %llu, %llu entries", what,
		    (u_longlong_t)dir->size, (u_longlong_t)n);
}

static void
put_xattr_sa(node_t *nd, sa_handle_t *hdl, xattrs_t *x)
{
	nvlist_t *nvl;
	nvpair_t *pair = NULL;
	char *buf, hex[65];
	int size;

	if (sa_size(hdl, fs.sa[ZPL_DXATTR], &size) != 0 || size == 0)
		return;
	buf = grow(NULL, size);
	if (sa_lookup(hdl, fs.sa[ZPL_DXATTR], buf, size) != 0 ||
	    nvlist_unpack(buf, size, &nvl, 0) != 0) {
		fault("object %llu: unreadable DXATTR",
		    (u_longlong_t)nd->object);
		free(buf);
		return;
	}
	while ((pair = nvlist_next_nvpair(nvl, pair)) != NULL) {
		uchar_t *v;
		uint_t n;

		if (nvpair_value_byte_array(pair, &v, &n) != 0) {
			fault("object %llu: odd DXATTR",
			    (u_longlong_t)nd->object);
			continue;
		}
		hash_bytes(v, n, hex);
		put_xattr(x, nvpair_name(pair), hex);
	}
	nvlist_free(nvl);
	free(buf);
}

/* Print ACEs; a list that does not parse to `count` of them is a fault. */
static void
put_aces(node_t *nd, FILE *f, const unsigned char *p, size_t size,
    uint64_t count, boolean_t old)
{
	uint64_t n = 0;

	fprintf(f, ",\"acl\":[");
	while (size > 0) {
		size_t len = 8;
		uint16_t type, flags;

		if (old) {
			len = 12;
		} else if (size >= 8) {
			memcpy(&type, p, 2);
			memcpy(&flags, p + 2, 2);
			if (!(flags & (ACE_OWNER | ACE_EVERYONE)) &&
			    (flags & ACE_OWNING_GROUP) != ACE_OWNING_GROUP)
				len = 16;
			if (type >= 5 && type <= 8)
				len += 32;
		}
		if (len > size) {
			fault("object %llu: ACL is cut in an entry",
			    (u_longlong_t)nd->object);
			break;
		}
		fprintf(f, "%s", n++ ? "," : "");
		put_hex(f, p, len);
		p += len;
		size -= len;
	}
	fprintf(f, "]");
	if (n != count || n == 0)
		fault("object %llu: ACL holds %llu entries, count says %llu",
		    (u_longlong_t)nd->object, (u_longlong_t)n,
		    (u_longlong_t)count);
}

static void
put_acl_sa(node_t *nd, sa_handle_t *hdl, FILE *f)
{
	uint64_t count = get_attr(nd, hdl, ZPL_DACL_COUNT, "DACL_COUNT");
	unsigned char *buf;
	int size, err = sa_size(hdl, fs.sa[ZPL_DACL_ACES], &size);

	if (err != 0) {
		fault("object %llu: attribute DACL_ACES: %s",
		    (u_longlong_t)nd->object, errtext(err));
		return;
	}
	buf = grow(NULL, size + 1);
	if (size > 0 && sa_lookup(hdl, fs.sa[ZPL_DACL_ACES], buf, size) != 0)
		size = 0;
	put_aces(nd, f, buf, size, count, B_FALSE);
	free(buf);
}

static void
put_acl_znode(node_t *nd, FILE *f)
{
	dmu_buf_t *db;
	zfs_acl_phys_t *acl;
	unsigned char *buf;
	boolean_t old;
	size_t size;

	if (dmu_bonus_hold(fs.os, nd->object, FTAG, &db) != 0)
		return;
	acl = &((znode_phys_t *)db->db_data)->zp_acl;
	old = acl->z_acl_version == 0;
	/* Version 0 keeps the number of entries where 1 keeps the bytes. */
	size = old ? acl->z_acl_size * 12 : acl->z_acl_size;
	if (size > (1 << 20))
		size = 0;
	buf = grow(NULL, size + 1);
	if (acl->z_acl_extern_obj != 0) {
		if (dmu_read(fs.os, acl->z_acl_extern_obj, 0, size, buf, 0))
			fault("object %llu: unreadable ACL object",
			    (u_longlong_t)nd->object);
	} else if (size <= sizeof (acl->z_ace_data)) {
		memcpy(buf, acl->z_ace_data, size);
	} else {
		fault("object %llu: ACL of %zu bytes inside",
		    (u_longlong_t)nd->object, size);
		size = 0;
	}
	put_aces(nd, f, buf, size, old ? acl->z_acl_size : acl->z_acl_count,
	    old);
	free(buf);
	dmu_buf_rele(db, FTAG);
}

static void
put_target(node_t *nd, sa_handle_t *hdl, FILE *f)
{
	size_t n = nd->size;
	char *buf;
	int size, err = 0;

	if (n == 0 || n > 65535) {
		fault("object %llu: link target of %zu bytes",
		    (u_longlong_t)nd->object, n);
		return;
	}
	buf = grow(NULL, n + 1);
	if (hdl != NULL && sa_size(hdl, fs.sa[ZPL_SYMLINK], &size) == 0) {
		if ((size_t)size != n)
			fault("object %llu: link target has %d bytes, size %zu",
			    (u_longlong_t)nd->object, size, n);
		n = MIN(n, size);
		err = sa_lookup(hdl, fs.sa[ZPL_SYMLINK], buf, n);
	} else if (hdl == NULL && sizeof (znode_phys_t) + n <= nd->bonussize) {
		dmu_buf_t *db;

		err = dmu_bonus_hold(fs.os, nd->object, FTAG, &db);
		if (err == 0) {
			memcpy(buf, (char *)db->db_data +
			    sizeof (znode_phys_t), n);
			dmu_buf_rele(db, FTAG);
		}
	} else if (hdl == NULL || foreign) {
		err = dmu_read(fs.os, nd->object, 0, n, buf, 0);
	} else {
		err = ENOENT;
	}
	if (err != 0)
		fault("object %llu: link target: %s",
		    (u_longlong_t)nd->object, errtext(err));
	else if (memchr(buf, 0, n) != NULL)
		fault("object %llu: link target holds a zero byte",
		    (u_longlong_t)nd->object);
	fprintf(f, ",\"target\":");
	put_escaped(f, buf, err == 0 ? n : 0);
	free(buf);
}

static const char *
type_name(uint64_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return ("file");
	case S_IFDIR: return ("dir");
	case S_IFLNK: return ("symlink");
	case S_IFCHR: return ("char");
	case S_IFBLK: return ("block");
	case S_IFIFO: return ("fifo");
	case S_IFSOCK: return ("socket");
	}
	return ("?");
}

/* All fields of a node but its path, as the inside of a JSON object. */
static void
make_facts(node_t *nd, const char *path)
{
	sa_handle_t *hdl = NULL;
	xattrs_t x = { 0 };
	FILE *f = open_memstream(&nd->facts, &nd->factslen);
	char hex[65];

	if (f == NULL)
		stop(3, "out of memory");
	if (nd->bonustype == DMU_OT_SA && sa_handle_get(fs.os, nd->object,
	    NULL, SA_HDL_PRIVATE, &hdl) != 0)
		stop(3, "object %llu: no handle", (u_longlong_t)nd->object);

	fprintf(f, "\"type\":\"%s\",\"mode\":%llu,\"uid\":%llu,\"gid\":%llu,"
	    "\"size\":%llu,\"mtime_sec\":%lld,\"mtime_nsec\":%llu,"
	    "\"links\":%llu,\"ino\":%llu", type_name(nd->mode),
	    (u_longlong_t)nd->mode & 07777, (u_longlong_t)nd->uid,
	    (u_longlong_t)nd->gid, (u_longlong_t)nd->size,
	    (longlong_t)nd->mtime[0], (u_longlong_t)nd->mtime[1],
	    (u_longlong_t)nd->links, (u_longlong_t)nd->object);
	if (S_ISLNK(nd->mode))
		put_target(nd, hdl, f);
	if (S_ISCHR(nd->mode) || S_ISBLK(nd->mode))
		fprintf(f, ",\"rdev\":\"%llu\"", (u_longlong_t)nd->rdev);
	if (S_ISREG(nd->mode)) {
		hash_object(fs.os, nd->object, nd->size, path, hex);
		fprintf(f, ",\"sha256\":\"%s\"", hex);
	}
	if (hdl != NULL)
		put_acl_sa(nd, hdl, f);
	else
		put_acl_znode(nd, f);

	x.out = f;
	x.seen = fnvlist_alloc();
	if (nd->xattr != 0)
		put_xattr_dir(nd, &x);
	if (hdl != NULL)
		put_xattr_sa(nd, hdl, &x);
	if (x.n > 0)
		fputc('}', f);
	fnvlist_free(x.seen);

	if (hdl != NULL)
		sa_handle_destroy(hdl);
	if (fclose(f) != 0)
		stop(3, "out of memory");
}

static void
print_node(node_t *nd, const char *path)
{
	if (nd->facts == NULL)
		make_facts(nd, path);
	printf("{\"path\":");
	put_escaped(stdout, path, strlen(path));
	printf(",%s}\n", nd->facts);
	if (nd->links < 2 || nd->isdir) {
		free(nd->facts);
		nd->facts = strdup("");
	}
}

/*
 * The walk through the directories, breadth first: a queue of directories
 * with their paths.
 */
typedef struct dirq {
	node_t	*dir;
	char	*path;
	boolean_t print;
} dirq_t;

static dirq_t *queue;
static size_t queue_head, queue_tail, queue_cap;

static void
enqueue(node_t *dir, char *path, boolean_t print)
{
	if (queue_tail == queue_cap) {
		queue_cap = queue_cap ? 2 * queue_cap : 256;
		queue = grow(queue, queue_cap * sizeof (dirq_t));
	}
	dir->reached = B_TRUE;
	dir->names++;
	queue[queue_tail++] = (dirq_t){ dir, path, print };
}

typedef struct walk {
	dirq_t		at;
	uint64_t	subdirs;
} walk_t;

static void
dir_entry(const char *name, uint64_t value, void *arg)
{
	walk_t *w = arg;
	uint64_t object = value & ((1ULL << OBJECT_BITS) - 1);
	node_t *nd = find_node(object);
	char *path;

	if (strcmp(w->at.path, ".") == 0)
		path = strdup(name);
	else if (asprintf(&path, "%s/%s", w->at.path, name) < 0)
		path = NULL;
	if (path == NULL)
		stop(3, "out of memory");

	if (name[0] == 0 || strchr(name, '/') != NULL ||
	    strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		fault("%s: not a name for an entry", path);
	if (nd == NULL || nd->broken) {
		fault("%s: names object %llu, which is no file", path,
		    (u_longlong_t)object);
		free(path);
		return;
	}
	if ((value >> OBJECT_BITS & 0xfff) != 0)
		fault("%s: entry has unknown bits", path);
	if (value >> 60 != (nd->mode & S_IFMT) >> 12 &&
	    !(value >> 60 == 0 && fs.version < 2))
		fault("%s: entry has type %llu, mode 0%llo", path,
		    (u_longlong_t)(value >> 60), (u_longlong_t)nd->mode);
	if (nd->flags & FLAG_XATTR)
		fault("%s: has the xattr flag", path);

	if (nd->isdir) {
		w->subdirs++;
		if (nd->reached) {
			fault("%s: directory %llu has two names", path,
			    (u_longlong_t)object);
			free(path);
			return;
		}
		if (nd->parent != w->at.dir->object)
			fault("%s: parent is object %llu, not %llu", path,
			    (u_longlong_t)nd->parent,
			    (u_longlong_t)w->at.dir->object);
		enqueue(nd, path, w->at.print);
	} else {
		nd->reached = B_TRUE;
		nd->names++;
		if (nd->parent == w->at.dir->object)
			nd->parent_seen = B_TRUE;
		if (w->at.print)
			print_node(nd, path);
		free(path);
	}
}

static void
walk_dirs(void)
{
	while (queue_head < queue_tail) {
		walk_t w = { queue[queue_head++], 0 };
		node_t *dir = w.at.dir;
		uint64_t n;

		if (w.at.print)
			print_node(dir, w.at.path);
		n = walk_zap(dir->object, w.at.path, dir_entry, &w);
		if (dir->size != n + 2)
			fault("%s: size %llu, but %llu entries", w.at.path,
			    (u_longlong_t)dir->size, (u_longlong_t)n);
		if (dir->links != w.subdirs + 2)
			fault("%s: %llu links, but %llu subdirectories",
			    w.at.path, (u_longlong_t)dir->links,
			    (u_longlong_t)w.subdirs);
		free(w.at.path);
	}
	queue_head = queue_tail = 0;
}

/* An entry of the delete queue: a file removed while it was open. */
static void
queue_entry(const char *name, uint64_t value, void *arg)
{
	node_t *nd = find_node(value);
	char hex[20];
	xattrs_t x = { .out = arg };

	snprintf(hex, sizeof (hex), "%llx", (u_longlong_t)value);
	if (strcmp(hex, name) != 0)
		fault("delete queue: %s stands for object %llu", name,
		    (u_longlong_t)value);
	if (nd == NULL || nd->broken) {
		fault("delete queue: no object %s", name);
		return;
	}
	nd->reached = nd->queued = B_TRUE;
	if (nd->links != 0 && !(nd->flags & FLAG_XATTR))
		fault("delete queue: object %s has %llu links", name,
		    (u_longlong_t)nd->links);
	if (nd->xattr != 0) {
		x.seen = fnvlist_alloc();
		put_xattr_dir(nd, &x);
		fnvlist_free(x.seen);
	}
}

static uint64_t
master_entry(const char *name, boolean_t required)
{
	uint64_t v = 0;
	int err = zap_lookup(fs.os, MASTER_NODE_OBJ, name, 8, 1, &v);

	if (err != 0 && (required || err != ENOENT))
		fault("%s: master node: %s: %s", fs.name, name, errtext(err));
	return (v);
}

/* Kernels size a table by the number of entries and index it unchecked. */
static void
registry_entry(const char *name, uint64_t value, void *arg)
{
	uint64_t *seen = arg;
	uint64_t attr = value & 0xffff;

	if (attr >= 64)
		fault("registry: %s is number %llu", name, (u_longlong_t)attr);
	else if (*seen >> attr & 1)
		fault("registry: number %llu twice", (u_longlong_t)attr);
	else
		*seen |= 1ULL << attr;
}

static void
open_sa(void)
{
	uint64_t object = 0, registry = 0, seen = 0, n;
	int err;

	fs.sa = NULL;
	if (fs.version >= ZPL_VERSION_SA)
		object = master_entry(ZFS_SA_ATTRS, B_TRUE);
	if (object == 0)
		return;
	if (zap_lookup(fs.os, object, "REGISTRY", 8, 1, &registry) != 0) {
		if (!foreign)
			fault("%s: no attribute registry", fs.name);
	} else {
		n = walk_zap(registry, "registry", registry_entry, &seen);
		if (n < 64 && seen != (1ULL << n) - 1)
			fault("registry: numbers are not contiguous");
	}
	err = sa_setup(fs.os, object, zfs_attr_table, ZPL_END, &fs.sa);
	if (err != 0)
		fault("%s: attributes: %s", fs.name, errtext(err));
}

static void
check_reached(void)
{
	for (size_t i = 0; i < fs.n; i++) {
		node_t *nd = &fs.nodes[i];
		u_longlong_t o = nd->object;

		if (nd->broken)
			continue;
		if (!nd->reached) {
			fault("object %llu (%s) is in no directory", o,
			    type_name(nd->mode));
			continue;
		}
		if (nd->isdir || nd->queued)
			continue;
		if (nd->links != nd->names)
			fault("object %llu: %llu links, but %llu names", o,
			    (u_longlong_t)nd->links, (u_longlong_t)nd->names);
		if (!nd->parent_seen && !foreign)
			fault("object %llu: parent %llu does not have it", o,
			    (u_longlong_t)nd->parent);
	}
}

static void
list_zpl(void)
{
	FILE *sink = fopen("/dev/null", "w");
	node_t *nd;
	int type;

	open_sa();
	fs.root = master_entry(ZFS_ROOT_OBJ, B_TRUE);
	fs.queue = master_entry(ZFS_UNLINKED_SET, B_TRUE);
	fs.shares = master_entry(ZFS_SHARES_DIR, B_FALSE);
	read_nodes();

	nd = find_node(fs.root);
	if (nd == NULL || nd->broken || !nd->isdir) {
		fault("%s: the root is no directory", fs.name);
		return;
	}
	if (nd->parent != nd->object)
		fault("root: parent is object %llu", (u_longlong_t)nd->parent);
	enqueue(nd, strdup("."), B_TRUE);
	walk_dirs();

	if (fs.shares != 0 && (nd = find_node(fs.shares)) != NULL) {
		enqueue(nd, strdup(".zfs/shares"), B_FALSE);
		walk_dirs();
	}

	dmu_object_info_t doi;
	type = dmu_object_info(fs.os, fs.queue, &doi) == 0 ? doi.doi_type : 0;
	if (type != DMU_OT_UNLINKED_SET)
		fault("%s: no delete queue", fs.name);
	else
		walk_zap(fs.queue, "delete queue", queue_entry, sink);

	check_reached();
	fclose(sink);
	for (size_t i = 0; i < fs.n; i++)
		free(fs.nodes[i].facts);
	fs.n = 0;
	if (fs.sa != NULL)
		sa_tear_down(fs.os);
}

static void
list_zvol(void)
{
	dmu_object_info_t doi = { 0 };
	uint64_t size = 0;
	char hex[65];
	int err;

	err = zap_lookup(fs.os, 2, "size", 8, 1, &size);
	if (err != 0)
		fault("%s: volume size: %s", fs.name, errtext(err));
	err = dmu_object_info(fs.os, 1, &doi);
	if (err != 0 || doi.doi_type != DMU_OT_ZVOL)
		fault("%s: object 1 is no volume", fs.name);
	if (doi.doi_data_block_size == 0 || size == 0 ||
	    size % doi.doi_data_block_size != 0)
		fault("%s: volume of %llu bytes in blocks of %u", fs.name,
		    (u_longlong_t)size, doi.doi_data_block_size);
	hash_object(fs.os, 1, size, fs.name, hex);
	printf(",\"size\":%llu,\"volblocksize\":%u,\"sha256\":\"%s\"",
	    (u_longlong_t)size, doi.doi_data_block_size, hex);
}

/* List the snapshot `name` (dataset@snapshot). */
static void
list_snapshot(const char *name)
{
	dsl_dataset_phys_t *phys;
	const char *at = strchr(name, '@');
	boolean_t zvol;
	int err;

	fs.name = name;
	err = dmu_objset_own(name, DMU_OST_ANY, B_TRUE, B_FALSE, FTAG, &fs.os);
	if (err != 0)
		stop(3, "%s: %s", name, errtext(err));
	zvol = dmu_objset_type(fs.os) == DMU_OST_ZVOL;
	phys = dsl_dataset_phys(dmu_objset_ds(fs.os));
	printf("{\"dataset\":\"%.*s\",\"snapshot\":", (int)(at - name), name);
	put_escaped(stdout, at + 1, strlen(at + 1));
	printf(",\"guid\":\"%llu\",\"creation\":%llu,\"objset\":\"%s\"",
	    (u_longlong_t)phys->ds_guid,
	    (u_longlong_t)phys->ds_creation_time, zvol ? "zvol" : "zpl");
	if (zvol) {
		list_zvol();
		printf("}\n");
	} else {
		fs.version = master_entry(ZPL_VERSION_STR, B_TRUE);
		printf(",\"zpl\":%llu,\"root\":%llu}\n",
		    (u_longlong_t)fs.version,
		    (u_longlong_t)master_entry(ZFS_ROOT_OBJ, B_FALSE));
		list_zpl();
	}
	dmu_objset_disown(fs.os, B_FALSE, FTAG);
}

/*
 * Receiving
 */

typedef struct received {
	char		name[2 * ZFS_MAX_DATASET_NAME_LEN]; /* ds@snapshot */
	uint64_t	guid;
} received_t;

static received_t *received;	/* of the present chain */
static size_t nreceived;
static size_t ndatasets;	/* that streams went into */

static boolean_t
read_record(zfs_file_t *fp, void *buf, size_t n)
{
	ssize_t left = 0;

	return (zfs_file_read(fp, buf, n, &left) == 0 && left == 0);
}

static received_t *
find_received(uint64_t guid)
{
	for (size_t i = 0; i < nreceived; i++) {
		if (received[i].guid == guid)
			return (&received[i]);
	}
	return (NULL);
}

/* Receive one substream, whose BEGIN record has been read. */
static void
receive(zfs_file_t *fp, dmu_replay_record_t *drr, boolean_t swap,
    const char *path)
{
	struct drr_begin *b = &drr->drr_u.drr_begin;
	dmu_recv_cookie_t drc = { 0 };
	uint64_t from = swap ? BSWAP_64(b->drr_fromguid) : b->drr_fromguid;
	uint64_t guid = swap ? BSWAP_64(b->drr_toguid) : b->drr_toguid;
	uint32_t flags = swap ? BSWAP_32(b->drr_flags) : b->drr_flags;
	char ds[ZFS_MAX_DATASET_NAME_LEN], *snap, *origin = NULL;
	received_t *base, *r;
	offset_t off;
	loff_t pos = 0;
	int err;

	b->drr_toname[sizeof (b->drr_toname) - 1] = 0;
	snap = strchr(b->drr_toname, '@');
	if (snap == NULL)
		stop(2, "%s: invalid stream (bad snapshot name)", path);
	snap = strdup(snap + 1);

	snprintf(ds, sizeof (ds), POOL "/in/%zu", ndatasets++);
	if (from != 0) {
		base = find_received(from);
		if (base == NULL)
			stop(2, "%s: base snapshot is not there", path);
		if (flags & DRR_FLAG_CLONE)
			origin = base->name;
		else
			snprintf(ds, sizeof (ds), "%.*s",
			    (int)(strchr(base->name, '@') - base->name),
			    base->name);
	}

	/* zfs_file_off() of this library is broken; ask by seeking. */
	if (zfs_file_seek(fp, &pos, SEEK_CUR) != 0)
		stop(3, "%s: cannot seek", path);
	off = pos;
	err = dmu_recv_begin(ds, snap, drr, B_FALSE, B_FALSE, NULL, NULL,
	    origin, &drc, fp, &off);
	if (err != 0)
		stop(2, "%s: begin: %s", path, errtext(err));
	err = dmu_recv_stream(&drc, &off);
	if (err != 0)
		stop(2, "%s: at byte %llu: %s", path, (u_longlong_t)off,
		    errtext(err));
	err = dmu_recv_end(&drc, NULL);
	if (err != 0)
		stop(2, "%s: end: %s", path, errtext(err));

	received = grow(received, (nreceived + 1) * sizeof (received_t));
	r = &received[nreceived++];
	snprintf(r->name, sizeof (r->name), "%s@%s", ds, snap);
	r->guid = guid;
	free(snap);
	list_snapshot(r->name);
}

/* Receive a file: one substream, or a package of some. */
static void
receive_file(const char *path)
{
	dmu_replay_record_t drr;
	struct drr_begin *b = &drr.drr_u.drr_begin;
	boolean_t package = B_FALSE, swap;
	uint64_t info;
	uint32_t payload;
	loff_t off;
	zfs_file_t *fp;
	char c;

	if (zfs_file_open(path, O_RDONLY, 0, &fp) != 0)
		stop(3, "%s: %s", path, strerror(errno));
	for (;;) {
		if (!read_record(fp, &drr, sizeof (drr)))
			stop(2, "%s: stream truncated", path);
		if (package && (drr.drr_type == DRR_END ||
		    drr.drr_type == BSWAP_32(DRR_END)))
			break;
		swap = b->drr_magic == BSWAP_64(DMU_BACKUP_MAGIC);
		if (!swap && b->drr_magic != DMU_BACKUP_MAGIC)
			stop(2, "%s: invalid stream (bad magic)", path);
		info = swap ? BSWAP_64(b->drr_versioninfo) :
		    b->drr_versioninfo;
		payload = swap ? BSWAP_32(drr.drr_payloadlen) :
		    drr.drr_payloadlen;
		if (DMU_GET_STREAM_HDRTYPE(info) == DMU_COMPOUNDSTREAM) {
			/* Skip its property list and its own END. */
			off = payload;
			if (package || zfs_file_seek(fp, &off, SEEK_CUR) != 0 ||
			    !read_record(fp, &drr, sizeof (drr)))
				stop(2, "%s: broken package", path);
			package = B_TRUE;
			continue;
		}
		receive(fp, &drr, swap, path);
		if (!package)
			break;
	}
	if (read_record(fp, &c, 1))
		fault("%s: bytes follow the end of the stream", path);
	zfs_file_close(fp);
}

static void
create_pool(const char *path)
{
	nvlist_t *disk = fnvlist_alloc(), *root = fnvlist_alloc();
	nvlist_t *props = fnvlist_alloc();
	char name[300];
	int fd, err;

	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, POOL_SIZE) != 0 || close(fd) != 0)
		stop(3, "%s: %s", path, strerror(errno));

	fnvlist_add_string(disk, ZPOOL_CONFIG_TYPE, VDEV_TYPE_FILE);
	fnvlist_add_string(disk, ZPOOL_CONFIG_PATH, path);
	fnvlist_add_uint64(disk, ZPOOL_CONFIG_IS_LOG, 0);
	fnvlist_add_string(root, ZPOOL_CONFIG_TYPE, VDEV_TYPE_ROOT);
	fnvlist_add_nvlist_array(root, ZPOOL_CONFIG_CHILDREN, &disk, 1);

	fnvlist_add_string(props, zpool_prop_to_name(ZPOOL_PROP_CACHEFILE),
	    "none");
	if (legacy) {
		fnvlist_add_uint64(props,
		    zpool_prop_to_name(ZPOOL_PROP_VERSION), 28);
	} else {
		for (int i = 0; i < SPA_FEATURES; i++) {
			snprintf(name, sizeof (name), "feature@%s",
			    spa_feature_table[i].fi_uname);
			fnvlist_add_uint64(props, name, 0);
		}
	}
	err = spa_create(POOL, root, props, NULL, NULL);
	if (err != 0)
		stop(3, "creating the pool: %s", errtext(err));
	err = dmu_objset_create(POOL "/in", DMU_OST_ZFS, 0, NULL, NULL, NULL);
	if (err != 0)
		stop(3, "creating a dataset: %s", errtext(err));
}

/* Receive the chains that stdin names, a line each. */
static void
serve(void)
{
	char *line = NULL, *path, *rest;
	size_t cap = 0;

	while (getline(&line, &cap, stdin) > 0) {
		line[strcspn(line, "\n")] = 0;
		nreceived = 0;
		faults = 0;
		if (setjmp(refusal) == 0) {
			rest = line;
			while ((path = strsep(&rest, "\t")) != NULL)
				receive_file(path);
		}
		printf("end\n");
		if (fflush(stdout) != 0)
			stop(3, "writing: %s", strerror(errno));
	}
	free(line);
}

int
main(int argc, char **argv)
{
	char pool[PATH_MAX];
	int c, err;

	while ((c = getopt(argc, argv, "lfs")) != -1) {
		switch (c) {
		case 'l':
			legacy = B_TRUE;
			break;
		case 'f':
			foreign = B_TRUE;
			break;
		case 's':
			serving = B_TRUE;
			break;
		default:
			argc = 0;
		}
	}
	if (argc - optind < 2 - serving) {
		fprintf(stderr, "usage: judge [-l] [-f] POOLFILE STREAM...\n"
		    "       judge [-l] [-f] -s POOLFILE\n");
		return (3);
	}
	if (argv[optind][0] == '/')
		snprintf(pool, sizeof (pool), "%s", argv[optind]);
	else if (getcwd(pool, sizeof (pool) / 2) != NULL)
		snprintf(pool + strlen(pool), sizeof (pool) / 2, "/%s",
		    argv[optind]);

	/* Never look at the pools of this machine, nor wait for its disks. */
	spa_config_path = "/nonexistent/zpool.cache";
	zfs_nocacheflush = 1;
	kernel_init(SPA_MODE_READ | SPA_MODE_WRITE);
	create_pool(pool);
	if (serving) {
		serve();
		_exit(0);
	}
	for (int i = optind + 1; i < argc; i++)
		receive_file(argv[i]);

	err = spa_export(POOL, NULL, B_TRUE, B_FALSE);
	if (err != 0)
		stop(3, "exporting the pool: %s", errtext(err));
	if (faults > MAX_FAULTS)
		fprintf(stderr, "fault: %d more\n", faults - MAX_FAULTS);
	if (fflush(stdout) != 0 || ferror(stdout))
		stop(3, "writing the listing: %s", strerror(errno));
	_exit(faults > 0 ? 1 : 0);
}
