// SPDX-License-Identifier: GPL-2.0-only
/* With QEMU's monitor, and with the guest's guest, by its console. */
#define _GNU_SOURCE
#include <poll.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "qemu.h"

int trouble, there, back;

static struct stream {
	int fd, ended;
	size_t len;
	char text[1 << 16], line[1 << 16];
} qmp, console;

void listen_to(int qmp_fd, int console_fd)
{
	qmp.fd = qmp_fd;
	console.fd = console_fd;
	qmp.len = console.len = qmp.ended = console.ended = 0;
}

void stop_listening(void)
{
	close(qmp.fd);
	close(console.fd);
	qmp.fd = console.fd = -1;
}

/* What the guest's guest must not say. */
static void hear(const char *line)
{
	static regex_t bad;

	if (!bad.re_nsub && regcomp(&bad, "(nvme.*(timeout|reset|failure|down)|nobody cared|MISMATCH|FAILED|BUG:|Oops|panic)",
				    REG_EXTENDED))
		abort();
	printf("# nested: %s\n", line);
	trouble += !regexec(&bad, line, 0, NULL, 0);
	there += !!strstr(line, " is there");
	back += !!strstr(line, " is back");
}

static char *next_line(struct stream *stream)
{
	char *end = memchr(stream->text, '\n', stream->len);
	size_t len = end ? end + 1 - stream->text : 0;

	if (!end)
		return NULL;
	memcpy(stream->line, stream->text, len);
	stream->line[strcspn(stream->line, "\r\n")] = 0;
	stream->len -= len;
	memmove(stream->text, end + 1, stream->len);
	return stream->line;
}

static void fill(struct stream *stream)
{
	ssize_t n = read(stream->fd, stream->text + stream->len, sizeof(stream->text) - stream->len);

	if (n > 0)
		stream->len += n;
	else
		stream->ended = 1;
}

const char *await(const char *text)
{
	struct pollfd fds[] = { { .events = POLLIN }, { .events = POLLIN } };
	double end = seconds() + LIMIT;
	char *line;

	for (;;) {
		while ((line = next_line(&console))) {
			hear(line);
			if (strstr(line, text))
				return line;
		}
		while ((line = next_line(&qmp))) {
			if (strstr(line, "\"error\""))
				fail("QEMU: %s", line);
			if (strstr(line, text))
				return line;
		}
		if (console.ended && qmp.ended) {
			/* It may tell its exit status, before it is killed. */
			reap_vmm();
			fail("QEMU has ended");
		}
		if (asserted())
			fail("QEMU has failed an assertion");
		if (seconds() > end)
			fail("waited %d s in vain for: %s", LIMIT, text);
		fds[0].fd = console.ended ? -1 : console.fd;
		fds[1].fd = qmp.ended ? -1 : qmp.fd;
		poll(fds, 2, 1000);
		if (fds[0].revents)
			fill(&console);
		if (fds[1].revents)
			fill(&qmp);
	}
}

const char *command(int fd, const char *format, ...)
{
	char text[300], control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { text, 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	va_list list;

	va_start(list, format);
	iov.iov_len = vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	if (sendmsg(qmp.fd, &msg, MSG_NOSIGNAL) < 0)
		fail("QMP: %m");
	return await("\"return\"");
}

void plug_in(int i, int fd)
{
	command(fd, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"s\"}}");
	command(-1, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"x-pci-proxy-dev\","
		    "\"id\":\"d%d\",\"addr\":\"%x\",\"fd\":\"s\"}}", i, FIRST_SLOT + i);
}

void tell(const char *what)
{
	if (send(console.fd, what, strlen(what), MSG_NOSIGNAL) < 0)
		fail("console: %m");
}
