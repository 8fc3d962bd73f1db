// SPDX-License-Identifier: GPL-2.0-only
/*
 * Usage: disk SERIAL...
 *
 * In the guest's guest: write and read the NVMe disks with these serial numbers, two processes
 * each, until told `stop` on standard input.  Each block says which it is, of which disk, and
 * how often it was written; what is read has to be what was written last, or a process prints
 * MISMATCH and ends.  A disk may go at any time, and is waited for.  `report` prints
 *
 *   disk: N interrupts, N bytes, SERIAL N operations, SERIAL N operations, ...
 *
 * what the disks' interrupts were, by /proc/interrupts.  `only SERIAL` has all other disks rest, and prints
 * `disk: they rest` when nothing of them is under way; `all` ends that.  Exit status 1 if a process has failed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCK = 4096, BLOCKS = 512, MOST = 8, DISKS = 8, PROCESSES = 2, IRQS = 64 };

/* Shared by all processes. */
static struct {
	unsigned long operations[DISKS], bytes[DISKS];
	int stop;
	/* -1, or the number of the disk that is used while others rest. */
	volatile int only;
	volatile char busy[DISKS][PROCESSES];
} *counts;

/* A process has blocks of its own; after an error, nobody knows whether it was written. */
static struct { uint32_t written, unsure; } blocks[BLOCKS];
static unsigned char *buffer;
static const char *serial;
static int first, disk;

/* Whoever has others rest looks at `busy` after it has set `only`. */
static void begin(void)
{
	volatile char *busy = &counts->busy[disk][first / BLOCKS];

	for (;;) {
		*busy = 1;
		__sync_synchronize();
		if (counts->only < 0 || counts->only == disk)
			return;
		*busy = 0;
		usleep(10000);
	}
}

static ssize_t end(ssize_t result)
{
	counts->busy[disk][first / BLOCKS] = 0;
	return result;
}

static int open_serial(void)
{
	char path[300], found[32];
	struct dirent *entry;
	DIR *dir = opendir("/sys/block");
	FILE *file;
	int fd = -1;

	while (fd < 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/block/%s/device/serial", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fscanf(file, "%31s", found) == 1 && !strcmp(found, serial)) {
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
			fd = open(path, O_RDWR | O_DIRECT);
		}
		fclose(file);
	}
	closedir(dir);
	return fd;
}

/* What a block holds: its name, and numbers that follow from it. */
static void fill(uint64_t *data, int block, uint32_t written)
{
	uint64_t x = (uint64_t)written << 32 | block << 8 | serial[strlen(serial) - 1];
	int i;

	for (i = 0; i < BLOCK / 8; i++) {
		data[i] = x;
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
}

/* Whether the block is as it was written that time; never, and it is empty. */
static int holds(const unsigned char *data, int block, uint32_t written)
{
	uint64_t expected[BLOCK / 8] = { 0 };

	if (written)
		fill(expected, first + block, written);
	return !memcmp(data, expected, BLOCK);
}

static void check(const unsigned char *data, int block)
{
	if (holds(data, block, blocks[block].written)) {
		blocks[block].unsure = 0;
	} else if (blocks[block].unsure && holds(data, block, blocks[block].written - 1)) {
		blocks[block].written--;
		blocks[block].unsure = 0;
	} else {
		printf("disk: MISMATCH %s block %d, written %u times\n", serial, first + block, blocks[block].written);
		exit(1);
	}
}

/* Those of an earlier boot are as they say that they are. */
static void check_old(const unsigned char *data, int block)
{
	blocks[block].written = *(const uint64_t *)data >> 32;
	check(data, block);
}

/* -1 if the disk has gone. */
static int transfer(int fd, int writes, int block, int n)
{
	off_t offset = (off_t)(first + block) * BLOCK;
	ssize_t size = n * BLOCK;

	begin();
	if (end(writes ? pwrite(fd, buffer, size, offset) : pread(fd, buffer, size, offset)) != size)
		return -1;
	counts->operations[disk]++;
	counts->bytes[disk] += size;
	return 0;
}

static int read_blocks(int fd, int block, int n, void (*look)(const unsigned char *, int))
{
	int i;

	if (transfer(fd, 0, block, n))
		return -1;
	for (i = 0; i < n; i++)
		look(buffer + i * BLOCK, block + i);
	return 0;
}

static int write_blocks(int fd, int block, int n)
{
	int i;

	/* Of one that may be one of two, a third would be one too many. */
	for (i = 0; i < n; i++)
		if (blocks[block + i].unsure && read_blocks(fd, block + i, 1, check))
			return -1;
	for (i = 0; i < n; i++) {
		fill((void *)(buffer + i * BLOCK), first + block + i, ++blocks[block + i].written);
		blocks[block + i].unsure = 1;
	}
	if (transfer(fd, 1, block, n))
		return -1;
	for (i = 0; i < n; i++)
		blocks[block + i].unsure = 0;
	return 0;
}

static int some(int *block)
{
	int n = 1 + random() % MOST;

	*block = random() % (BLOCKS - n + 1);
	return n;
}

static void use(int fd)
{
	int block, n;

	while (!counts->stop) {
		n = some(&block);
		if (write_blocks(fd, block, n))
			return;
		n = some(&block);
		if (read_blocks(fd, block, n, check))
			return;
	}
}

/* The first of two processes tells what becomes of the disk. */
static void tell(const char *what)
{
	if (!first)
		printf("disk: %s %s\n", serial, what);
}

/* Errors alone are not the end of it: a disk that is being pulled can be opened for a while. */
static void process(int number)
{
	int fd, block = 0, has_gone = 0;

	first = number * BLOCKS;
	srandom(disk * PROCESSES + number);
	buffer = aligned_alloc(BLOCK, MOST * BLOCK);
	while (!counts->stop) {
		fd = open_serial();
		if (fd < 0 && !has_gone && block)
			tell("has gone");
		has_gone |= fd < 0 && block;
		while (fd >= 0 && block < BLOCKS && !read_blocks(fd, block, MOST, check_old)) {
			block += MOST;
			if (block == BLOCKS)
				tell("is there");
		}
		if (fd >= 0 && block == BLOCKS && !read_blocks(fd, 0, 1, check)) {
			if (has_gone)
				tell("is back");
			has_gone = 0;
			use(fd);
		}
		if (fd >= 0)
			close(fd);
		usleep(10000);
	}
	exit(0);
}

/* A GSI that no device has any more begins anew. */
static void report(char **serials)
{
	static unsigned long interrupts, last[IRQS];
	unsigned long n, bytes = 0;
	FILE *file = fopen("/proc/interrupts", "r");
	unsigned int i;
	char line[500];

	while (fgets(line, sizeof(line), file)) {
		if (strstr(line, "nvme") && sscanf(line, "%u: %lu", &i, &n) == 2 && i < IRQS) {
			interrupts += n - (n < last[i] ? 0 : last[i]);
			last[i] = n;
			printf("disk: interrupt %s", line);
		}
	}
	fclose(file);
	for (i = 0; serials[i]; i++)
		bytes += counts->bytes[i];
	printf("disk: %lu interrupts, %lu bytes", interrupts, bytes);
	for (i = 0; serials[i]; i++)
		printf(", %s %lu operations", serials[i], counts->operations[i]);
	printf("\n");
}

/* A name that no disk has, and all rest. */
static void use_only(const char *name, char **serials)
{
	int i, number;

	for (i = 0; serials[i] && strcmp(serials[i], name); i++)
		;
	counts->only = i;
	__sync_synchronize();
	for (i = 0; serials[i]; i++)
		for (number = 0; number < PROCESSES && i != counts->only; number++)
			while (counts->busy[i][number])
				usleep(1000);
	printf("disk: they rest\n");
}

int main(int argc, char **argv)
{
	int status = 0, one, number;
	char line[80];

	setlinebuf(stdout);
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (argc < 2 || argc > DISKS || counts == MAP_FAILED)
		return 2;
	counts->only = -1;
	for (disk = 0; disk < argc - 1; disk++) {
		serial = argv[disk + 1];
		for (number = 0; number < PROCESSES; number++)
			if (!fork())
				process(number);
	}
	while (fgets(line, sizeof(line), stdin) && strncmp(line, "stop", 4)) {
		line[strcspn(line, "\r\n")] = 0;
		if (!strcmp(line, "report"))
			report(argv + 1);
		else if (!strncmp(line, "only ", 5))
			use_only(line + 5, argv + 1);
		else if (!strcmp(line, "all"))
			counts->only = -1;
	}
	counts->only = -1;
	counts->stop = 1;
	while (wait(&one) > 0)
		status |= one;
	report(argv + 1);
	printf("disk: ended%s\n", status ? ", FAILED" : "");
	return !!status;
}
