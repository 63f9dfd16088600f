/* SPDX-License-Identifier: Apache-2.0 */
/* A user of the installed C library. */
#include <partita/c/partita.h>
#include <stdio.h>

int main(void) {
  const double logits[3] = {0, 9, 0};
  const partita_rows rows = {logits, PARTITA_F64, 1, 3, 3, 1};
  const partita_stream stream = {.seed = 1};
  partita_sampler* sampler = NULL;
  partita_error error;
  int64_t token = -1;
  if (partita_sampler_create(&sampler, &error) != PARTITA_OK) return 1;
  partita_sampler_set(sampler, "top_k", 1, &error);
  partita_sample(&rows, &sampler, &stream, 1, &token, &error);
  partita_sampler_destroy(sampler);
  printf("partita %s: token %d\n", partita_version(), (int)token);
  return token == 1 ? 0 : 1;
}
