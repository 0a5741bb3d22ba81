// The physical floor of pulling an image: one thread for each layer does socket, sha256, inflate, sha256, tar, write. No store, no
// state, no error recovery, no defence: what remains when everything is taken away that a program for people needs.
//   floor HOST:PORT REPOSITORY DIRECTORY THREADS DIGEST...     (gzip layers, plain HTTP)
// cc -O2 -o floor floor.c -lisal -lcrypto -lpthread
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IN = 256 << 10, OUT = 256 << 10 };
enum state { HEADER, DATA, EXTENSION, PADDING };

static char host[64], *repository, *directory, **digests;
static int port, layers;
static atomic_int next_layer, failed;

static void die(const char *what) { perror(what); exit(1); }

struct unpacker {
	int root, parent, file;
	enum state state;
	unsigned char block[512];
	long have, left, padding;
	char type, path[4200], link[4200], parent_path[4200], body[70000];
	long body_length;
	int has_path, has_link;
	struct timespec times[2];
};

static long number(const unsigned char *field, int length)
{
	long value = 0;
	if (*field & 0x80) {
		for (int i = 1; i < length; i++)
			value = value << 8 | field[i];
		return value;
	}
	for (; length && *field == ' '; field++, length--) ;
	for (; length && *field >= '0' && *field <= '7'; field++, length--)
		value = value * 8 + *field - '0';
	return value;
}

static void make_parents(int root, char *path)
{
	for (char *slash = path; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdirat(root, path, 0755);
		*slash = '/';
	}
}

static int parent_of(struct unpacker *u, char *path, char **name)
{
	char *slash = strrchr(path, '/');
	*name = slash ? slash + 1 : path;
	if (!slash)
		return u->root;
	*slash = 0;
	if (u->parent < 0 || strcmp(u->parent_path, path)) {
		if (u->parent >= 0)
			close(u->parent);
		strcpy(u->parent_path, path);
		u->parent = openat(u->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (u->parent < 0) {
			*slash = '/';
			make_parents(u->root, path);
			*slash = 0;
			u->parent = openat(u->root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		}
	}
	*slash = '/';
	return u->parent;
}

static void begin(struct unpacker *u)
{
	unsigned char *h = u->block;
	long size = number(h + 124, 12);
	u->left = size;
	u->padding = (512 - size % 512) % 512;
	u->file = -1;
	u->state = DATA;
	u->type = h[156];
	if (u->type == 'x' || u->type == 'g' || u->type == 'L' || u->type == 'K') {
		u->state = EXTENSION;
		u->body_length = 0;
		return;
	}
	if (!u->has_path) {
		if (h[345] && !memcmp(h + 257, "ustar\0", 6))
			snprintf(u->path, sizeof u->path, "%.155s/%.100s", h + 345, h);
		else
			snprintf(u->path, sizeof u->path, "%.100s", h);
	}
	if (!u->has_link)
		snprintf(u->link, sizeof u->link, "%.100s", h + 157);
	u->has_path = u->has_link = 0;
	char *path = u->path, *name;
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	for (size_t n = strlen(path); n && path[n - 1] == '/';)
		path[--n] = 0;
	if (!*path || !strcmp(path, "."))
		return;
	mode_t mode = number(h + 100, 8) & 07777;
	uid_t uid = number(h + 108, 8);
	gid_t gid = number(h + 116, 8);
	u->times[0].tv_sec = u->times[1].tv_sec = number(h + 136, 12);
	int parent = parent_of(u, path, &name);
	switch (u->type) {
	case '5':
		if (mkdirat(parent, name, mode) && errno != EEXIST)
			die(path);
		break;
	case '2':
		if (symlinkat(u->link, parent, name))
			die(path);
		break;
	case '1':
		if (linkat(u->root, u->link, parent, name, 0))
			die(path);
		return;
	default:
		u->file = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0777);
		if (u->file < 0)
			die(path);
		if (uid | gid)
			(void)!fchown(u->file, uid, gid);
		return;
	}
	if (uid | gid)
		(void)!fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW);
	utimensat(parent, name, u->times, AT_SYMLINK_NOFOLLOW);
}

static void finish(struct unpacker *u)
{
	if (u->state == EXTENSION) {
		u->body[u->body_length] = 0;
		if (u->type == 'L') {
			strcpy(u->path, u->body);
			u->has_path = 1;
		} else if (u->type == 'K') {
			strcpy(u->link, u->body);
			u->has_link = 1;
		} else if (u->type == 'x') {
			for (char *r = u->body; r < u->body + u->body_length;) {
				long length = strtol(r, 0, 10);
				char *key = strchr(r, ' ');
				if (length <= 0 || !key)
					break;
				r[length - 1] = 0;
				if (!strncmp(key + 1, "path=", 5)) {
					strcpy(u->path, key + 6);
					u->has_path = 1;
				} else if (!strncmp(key + 1, "linkpath=", 9)) {
					strcpy(u->link, key + 10);
					u->has_link = 1;
				}
				r += length;
			}
		}
	} else if (u->file >= 0) {
		futimens(u->file, u->times);
		close(u->file);
		u->file = -1;
	}
	u->state = u->padding ? PADDING : HEADER;
}

static void feed(struct unpacker *u, const unsigned char *bytes, long n)
{
	while (n > 0) {
		long take;
		switch (u->state) {
		case HEADER:
			take = 512 - u->have < n ? 512 - u->have : n;
			memcpy(u->block + u->have, bytes, take);
			u->have += take;
			if (u->have == 512) {
				u->have = 0;
				if (u->block[0] || u->block[345]) {
					begin(u);
					if (!u->left)
						finish(u);
				}
			}
			break;
		case PADDING:
			take = u->padding < n ? u->padding : n;
			u->padding -= take;
			if (!u->padding)
				u->state = HEADER;
			break;
		default:
			take = u->left < n ? u->left : n;
			if (u->state == EXTENSION) {
				memcpy(u->body + u->body_length, bytes, take);
				u->body_length += take;
			} else if (u->file >= 0 && write(u->file, bytes, take) != take)
				die("write");
			u->left -= take;
			if (!u->left)
				finish(u);
		}
		bytes += take;
		n -= take;
	}
}

static int request(const char *digest)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	inet_pton(AF_INET, host, &address.sin_addr);
	if (connect(s, (void *)&address, sizeof address))
		die("connect");
	dprintf(s, "GET /v2/%s/blobs/%s HTTP/1.1\r\nHost: %s:%d\r\nConnection: close\r\n\r\n", repository, digest, host, port);
	return s;
}

static void pull(int layer, struct unpacker *u, struct inflate_state *z, unsigned char *in, unsigned char *out)
{
	char path[4096];
	memset(u, 0, sizeof *u);
	u->parent = u->file = -1;
	snprintf(path, sizeof path, "%s/%d", directory, layer);
	mkdir(path, 0755);
	u->root = open(path, O_DIRECTORY | O_PATH | O_CLOEXEC);
	int s = request(digests[layer]), in_header = 1;
	EVP_MD_CTX *compressed = EVP_MD_CTX_new(), *plain = EVP_MD_CTX_new();
	EVP_DigestInit_ex(compressed, EVP_sha256(), 0);
	EVP_DigestInit_ex(plain, EVP_sha256(), 0);
	isal_inflate_init(z);
	z->crc_flag = ISAL_GZIP;
	for (long n, have = 0; (n = read(s, in + have, IN - have)) > 0;) {
		unsigned char *p = in;
		n += have;
		have = 0;
		if (in_header) {
			unsigned char *end = memmem(in, n, "\r\n\r\n", 4);
			if (!end) {
				have = n;
				continue;
			}
			in_header = 0;
			n -= end + 4 - p;
			p = end + 4;
		}
		EVP_DigestUpdate(compressed, p, n);
		z->next_in = p;
		z->avail_in = n;
		do {
			z->next_out = out;
			z->avail_out = OUT;
			if (isal_inflate(z) < 0)
				die("inflate");
			EVP_DigestUpdate(plain, out, OUT - z->avail_out);
			feed(u, out, OUT - z->avail_out);
		} while ((z->avail_in && z->block_state != ISAL_BLOCK_FINISH) || !z->avail_out);
	}
	unsigned char digest[32];
	char hex[65];
	EVP_DigestFinal_ex(plain, digest, 0);
	EVP_DigestFinal_ex(compressed, digest, 0);
	for (int i = 0; i < 32; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	if (strcmp(hex, digests[layer] + 7)) {
		fprintf(stderr, "%s has another digest\n", digests[layer]);
		failed = 1;
	}
	EVP_MD_CTX_free(compressed);
	EVP_MD_CTX_free(plain);
	close(s);
	close(u->root);
	if (u->parent >= 0)
		close(u->parent);
}

static void *worker(void *unused)
{
	(void)unused;
	unsigned char *in = malloc(IN), *out = malloc(OUT);
	struct unpacker *u = malloc(sizeof *u);
	struct inflate_state *z = malloc(sizeof *z);
	for (int layer; (layer = next_layer++) < layers;)
		pull(layer, u, z, in, out);
	return 0;
}

int main(int count, char **arguments)
{
	if (count < 6 || sscanf(arguments[1], "%63[^:]:%d", host, &port) != 2)
		return 2;
	repository = arguments[2];
	directory = arguments[3];
	int threads = atoi(arguments[4]);
	digests = arguments + 5;
	layers = count - 5;
	umask(0);
	mkdir(directory, 0755);
	pthread_t ids[64];
	for (int i = 0; i < threads && i < 64; i++)
		pthread_create(&ids[i], 0, worker, 0);
	for (int i = 0; i < threads && i < 64; i++)
		pthread_join(ids[i], 0);
	return failed;
}
