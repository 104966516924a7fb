/*
 * The inner loops of canvas.ts, for WebAssembly with SIMD: some four times as fast as the same in JavaScript.
 * `scripts/build-blend-kernel.mjs` compiles this into blend-kernel.ts.
 */
#include <stdint.h>
#include <wasm_simd128.h>

typedef struct {
  /* Picture: RGB bytes, rows without gaps, `width` pixels each; rows top .. bottom-1 are drawn. */
  uint8_t *pixels;
  int32_t width, top, bottom;
  /* Heatmap: 8 bit, row-major. */
  const uint8_t *heat;
  int32_t columns, rows;
  /* Cell i, between heatmap columns i - 1 and i, begins at pixel column starts[i] (columns + 2 of them), at
     shares[i] / 2^14 of its width. */
  const int32_t *starts, *shares;
  /* For each 1/8 heatmap level, one entry repeated before the first: red, green, blue to add and what to keep, in
     1/128 levels and 1/32768. */
  const uint16_t (*table)[4];
  /* Levels in [clear_from, clear_to] leave the picture as it is; both have 8 fractional bits. */
  int32_t clear_from, clear_to;
  /* Scratch: `columns` values, `width` + 4 entries. */
  int32_t *line;
  uint16_t *entries;
} job;

/* Heat of one frame row at each heatmap column, 8 fractional bits. */
static void heat_line(const job *j, double at) {
  double row = __builtin_floor(at);
  int32_t share = (int32_t)__builtin_rint((at - row) * 16384);
  int32_t last = j->rows - 1, upper = (int32_t)row, lower = upper + 1;
  upper = upper < 0 ? 0 : upper > last ? last : upper;
  lower = lower < 0 ? 0 : lower > last ? last : lower;
  const uint8_t *a = j->heat + upper * j->columns, *b = j->heat + lower * j->columns;
  int32_t *line = j->line;
  for (int32_t i = 0; i < j->columns; i++) line[i] = (a[i] << 8) + ((((int32_t)b[i] - a[i]) * share) >> 6);
}

/* Two pixels: `source` as 16-bit lanes r g b 0 r g b 0, already times 128. */
static inline v128_t blend_two(v128_t source, v128_t table) {
  v128_t keep = wasm_i16x8_shuffle(table, table, 3, 3, 3, 3, 7, 7, 7, 7);
  v128_t sum = wasm_i16x8_add(wasm_i16x8_q15mulr_sat(source, keep), table);
  return wasm_u16x8_shr(wasm_i16x8_add(sum, wasm_i16x8_splat(64)), 7);
}

static inline v128_t two_entries(const job *j, const uint16_t *entries) {
  return wasm_v128_load64_lane(j->table[entries[1]], wasm_v128_load64_zero(j->table[entries[0]]), 1);
}

/* Blends `count` pixels; whole groups of four only, the rest is for the caller. Reads 4 bytes further. */
static void blend_run(const job *j, uint8_t *at, const uint16_t *entries, int32_t count) {
  const v128_t none = wasm_i8x16_splat(0);
  for (; count >= 4; count -= 4, at += 12, entries += 4) {
    v128_t bytes = wasm_v128_load(at);
    /* Into the upper byte of each lane, halved: times 128. */
    v128_t low = wasm_u16x8_shr(
        wasm_i8x16_shuffle(bytes, none, 16, 0, 16, 1, 16, 2, 16, 16, 16, 3, 16, 4, 16, 5, 16, 16), 1);
    v128_t high = wasm_u16x8_shr(
        wasm_i8x16_shuffle(bytes, none, 16, 6, 16, 7, 16, 8, 16, 16, 16, 9, 16, 10, 16, 11, 16, 16), 1);
    low = blend_two(low, two_entries(j, entries));
    high = blend_two(high, two_entries(j, entries + 2));
    v128_t out = wasm_i8x16_shuffle(low, high, 0, 2, 4, 8, 10, 12, 16, 18, 20, 24, 26, 28, 0, 0, 0, 0);
    wasm_v128_store64_lane(at, out, 0);
    wasm_v128_store32_lane(at + 8, out, 2);
  }
  for (; count > 0; count--, at += 3, entries++) {
    const uint16_t *entry = j->table[*entries];
    for (int c = 0; c < 3; c++) at[c] = (((at[c] * 128 * entry[3] + 16384) >> 15) + entry[c] + 64) >> 7;
  }
}

/* `first` and `down`: heatmap row at the centre of frame row `top`, heatmap rows a frame row; `across`: heatmap columns
   a frame column. */
__attribute__((export_name("blend"))) void blend(const job *j, double first, double down, double across) {
  int32_t columns = j->columns;
  for (int32_t y = j->top; y < j->bottom; y++) {
    heat_line(j, first + (y - j->top) * down);
    uint8_t *row = j->pixels + 3 * j->width * y;
    int32_t run = j->starts[0], done = run;
    for (int32_t cell = 0; cell <= columns; cell++) {
      int32_t start = j->starts[cell], end = j->starts[cell + 1];
      if (start >= end) continue;
      int32_t from = j->line[cell == 0 ? 0 : cell - 1], to = j->line[cell == columns ? columns - 1 : cell];
      if (from >= j->clear_from && from <= j->clear_to && to >= j->clear_from && to <= j->clear_to) {
        blend_run(j, row + 3 * run, j->entries + run, done - run);
        run = done = end;
        continue;
      }
      /* 16 fractional bits; half an entry for rounding, one entry for the repeated first. */
      int32_t heat = (from << 8) + 4096 + 8192, step = 0;
      if (from != to) {
        heat += ((to - from) * j->shares[cell]) >> 6;
        step = (int32_t)__builtin_rint((to - from) * 256 * across);
      }
      for (int32_t x = start; x < end; x++, heat += step) j->entries[x] = heat >> 13;
      done = end;
    }
    blend_run(j, row + 3 * run, j->entries + run, done - run);
  }
}
