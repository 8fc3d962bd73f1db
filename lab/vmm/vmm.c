// SPDX-License-Identifier: GPL-2.0-only
/*
 * Usage: vmm io PLUGS KILLS
 *        vmm churn SECONDS DEVICES
 *
 * In the guest: QEMU as a VMM, with NVMe disks that are in QEMU processes of their own, by
 * x-pci-proxy-dev, whose interrupts are resampling irqfds.
 *
 * io boots a Linux on it, which writes and reads its disks (disk.c), and meanwhile pulls a
 * disk's device and plugs it in again, PLUGS times, and kills QEMU and starts it again, KILLS
 * times.  It prints KTAP, and for each case what was done until then:
 *
 *   # done: CASE: N boots, N plugs, N kills, N interrupts, N bytes
 *
 * churn starts QEMU with so many devices, and kills it as soon as its firmware has their
 * interrupts routed, again and again.
 *
 * A case is skipped if it failed because QEMU itself is at fault, see ASSERTION (qemu.c).
 *
 * Exit status 1 if a case failed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "qemu.h"

static struct counts {
	unsigned long interrupts, bytes, operations[DEVICES];
} now, before, all;
static unsigned long boots, plugs, kills;

/* How often each disk was read and written. */
static void report(const char *line, struct counts *counts)
{
	const char *p = strstr(line, "disk: ");
	int i;

	if (!p || sscanf(p, "disk: %lu interrupts, %lu bytes", &counts->interrupts, &counts->bytes) != 2)
		fail("what does this mean: %s", line);
	for (i = 0; i < devices; i++) {
		p = strchr(p + 1, 'd');
		while (p && sscanf(p, "d%*d %lu operations", &counts->operations[i]) != 1)
			p = strchr(p + 1, 'd');
		if (!p)
			fail("%d disks of %d: %s", i, devices, line);
	}
}

/* Each disk does so much more. */
static void works(unsigned long n)
{
	double end = seconds() + LIMIT;
	struct counts then = now;
	int i = 0;

	while (i < devices) {
		if (seconds() > end)
			fail("d%d does nothing", i);
		sleep(1);
		tell("report\n");
		report(await(" interrupts, "), &now);
		for (i = 0; i < devices && now.operations[i] >= then.operations[i] + n; i++)
			;
	}
	if (!now.interrupts)
		fail("no interrupts");
}

/* What was done since the last time; what is counted begins anew when the VMM does. */
static void account(void)
{
	all.interrupts += now.interrupts - before.interrupts;
	all.bytes += now.bytes - before.bytes;
	before = now;
}

static void boot(void)
{
	int i;

	for (i = 0; i < devices; i++)
		used[i] = start_device(i);
	there = 0;
	start_vmm(1);
	boots++;
	memset(&now, 0, sizeof(now));
	before = now;
	for (i = 0; i < devices; i++)
		give(&used[i]);
	command(-1, "{\"execute\":\"qmp_capabilities\"}");
	/* What its console was told before is lost. */
	while (there < devices)
		await(" is there");
	works(20);
}

/* Cases go on with the VMM of the last one, if that has not failed. */
static void running(void)
{
	if (!vmm)
		boot();
}

/*
 * The spare runs already, so that the GSI is used again at once.  Other disks rest while BARs move, see
 * ASSERTION.
 */
static void plug(int i)
{
	char only[20];

	snprintf(only, sizeof(only), "only d%d\n", i);
	tell(only);
	await("they rest");
	command(-1, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"d%d\"}}", i);
	await("DEVICE_DELETED");
	back = 0;
	plug_in(i, spare[i].fd);
	if (!back)
		await(" is back");
	tell("all\n");
	reap_device(&used[i]);
	give(&spare[i]);
	used[i] = spare[i];
	spare[i] = start_device(i);
	plugs++;
	works(20);
}

static void use(int n)
{
	running();
	works(n);
}

static void plug_one(int i, int n)
{
	running();
	spare[i] = start_device(i);
	while (n--)
		plug(i);
}

/* Which of the two shares its GSI with the second, if any, the guest's guest decides. */
static void plug_first(int n)
{
	plug_one(0, n);
}

static void plug_last(int n)
{
	plug_one(2, n);
}

static void kill_vmm(int n)
{
	while (n--) {
		running();
		works(20);
		account();
		kill(vmm, SIGKILL);
		reap_all();
		kills++;
	}
	running();
	tell("stop\n");
	report(await(" interrupts, "), &now);
	await("disk: ended");
	reap_all();
}

/* Nothing of one case is left to the next. */
static int run_case(int number, const char *name, void (*test)(int), int n)
{
	static int ok;
	int skip;

	trouble = 0;
	ok = !setjmp(failed);
	if (ok)
		test(n);
	else if (kill_all(), !setjmp(failed))
		reap_all();
	account();
	if (trouble)
		printf("# %d lines of the guest's guest are of trouble\n", trouble);
	ok = ok && !trouble;
	skip = !ok && asserted();
	if (!ok)
		show_log();
	printf("# done: %s: %lu boots, %lu plugs, %lu kills, %lu interrupts, %lu bytes\n",
	       name, boots, plugs, kills, all.interrupts, all.bytes);
	printf("%sok %d - %s%s\n", ok || skip ? "" : "not ", number, name,
	       skip ? " # SKIP a QEMU has failed an assertion" : "");
	boots = plugs = kills = 0;
	memset(&all, 0, sizeof(all));
	return !ok && !skip;
}

/* Of the VMM's devices, those whose interrupts go somewhere. */
static int routed(const char *line)
{
	int n = 0;

	while ((line = strstr(line, "\"qdev_id\": \"d"))) {
		line = strchr(line + 13, '"');
		n += !strncmp(line, "\", \"irq\": 1", 11);
	}
	return n;
}

/* The processes of the devices outlive the VMM. */
static void churn(int limit)
{
	double end = seconds() + limit;
	char junk[100];
	int i;

	for (i = 0; i < devices; i++)
		used[i] = start_device(i);
	while (seconds() < end) {
		start_vmm(0);
		boots++;
		command(-1, "{\"execute\":\"qmp_capabilities\"}");
		while (routed(command(-1, "{\"execute\":\"query-pci\"}")) < devices)
			usleep(50000);
		kill(vmm, SIGKILL);
		reap_vmm();
		kills++;
		usleep(50000);
		for (i = 0; i < devices; i++)
			while (recv(used[i].fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
				;
	}
	reap_all();
}

int main(int argc, char **argv)
{
	int bad = 0, i;

	setlinebuf(stdout);
	for (i = 0; i < DEVICES; i++)
		used[i].fd = spare[i].fd = -1;
	if (argc == 4 && !strcmp(argv[1], "io")) {
		devices = 3;
		printf("TAP version 13\n1..4\n");
		bad += run_case(1, "shared and distinct GSIs", use, 60);
		bad += run_case(2, "first disk pulled and plugged", plug_first, atoi(argv[2]));
		bad += run_case(3, "last disk pulled and plugged", plug_last, atoi(argv[2]));
		bad += run_case(4, "VMM killed and started", kill_vmm, atoi(argv[3]));
	} else if (argc == 4 && !strcmp(argv[1], "churn") && atoi(argv[3]) <= DEVICES) {
		devices = atoi(argv[3]);
		printf("TAP version 13\n1..1\n");
		bad += run_case(1, "VMMs come and go", churn, atoi(argv[2]));
	} else {
		fprintf(stderr, "usage: vmm io PLUGS KILLS | vmm churn SECONDS DEVICES\n");
		return 2;
	}
	return !!bad;
}
