/* An HTTP/1.1 server on loopback, in one thread of its own. The path of a request says how it is answered:
 *
 *   /bytes/N          N bytes of the pattern
 *   /chunked/N/PIECE  the same in chunks of PIECE bytes, without a length
 *   /close/N          the same without a length, up to the end of the connection
 *   /short/N/CLAIMED  N bytes where CLAIMED were promised, then the end of the connection
 *   /long/N/CLAIMED   N bytes where only CLAIMED were promised
 *   /status/S/N       status S with N bytes
 *   /after/MS/N       N bytes, MS milliseconds later
 *   /hang/N           promises a MiB, sends N bytes and falls silent
 *   /reset            the connection is reset
 *
 * HEAD gets the head of these. A request with a body is answered with 200 if the body is the pattern,
 * otherwise with 400; whatever the path says comes on top.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include <stddef.h>

typedef struct http_counts {
    int connections; /* accepted so far */
    int open;        /* connections right now */
    int most_open;
    int most_in_flight; /* requests that were being answered at once */
    int requests;
} http_counts;

/* Ends the process when it cannot run. */
void http_server_start(void);
void http_server_stop(void);
int http_server_port(void);
http_counts http_server_counts(void);
void http_server_reset_counts(void);

/* Byte `index` of every body, in both directions. */
static inline char http_pattern(size_t index) { return (char)((index * 131) ^ (index >> 9)); }

#endif
