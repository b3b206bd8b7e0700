// One step of the decoder on a CPU, as inference/cache.py and model/llama.py compute it with torch.
//
// Decoding reads every weight once a token, so memory is the limit: weights lie as fp32, bfloat16, int8 or
// int4 in panels of 16 outputs, are read in order, and are widened in registers; all arithmetic is fp32.
// Every sum runs over its terms in one order, however many rows are computed together and by however
// many threads: a token's result has the same bits alone, in any batch, in any chunk of a prompt.
//
// Plain C++20 with GCC's vector types, no intrinsics; built by native/build.py, called through ctypes.
//
// Panels: [panel][k][16 outputs]. bfloat16 and int4 pair output i with i + 8, so that a shift and a mask
// give two vectors. Cache: keys [head][block][channel][16 tokens], values [head][block][16 tokens][channel].

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

typedef float F8 __attribute__((vector_size(32)));
typedef int32_t I8 __attribute__((vector_size(32)));
typedef uint32_t U8 __attribute__((vector_size(32)));
typedef int8_t B8 __attribute__((vector_size(8)));
typedef uint8_t N8 __attribute__((vector_size(8)));

static const int WIDE = 16;   // outputs of a panel, tokens of a cache block
static const int GROUP = 32;  // weights of one int4 scale
static const int MOST_SIZE = 256;  // channels of a head

enum Kind { FP32, BF16, INT8, INT4 };

static inline F8 all(float x) { return F8{x, x, x, x, x, x, x, x}; }
static inline F8 load(const float* from) { F8 x; memcpy(&x, from, sizeof x); return x; }
static inline void store(float* to, F8 x) { memcpy(to, &x, sizeof x); }
// A product that is not fused with a sum that may follow: fused in one place and not in another, bits differ.
static inline F8 rounded(F8 x) {
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12
    return __builtin_assoc_barrier(x);
#else
    return x;  // clang fuses within an expression only
#endif
}
static inline F8 bits(U8 x) { return (F8)x; }
static inline float sum(F8 x) {
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

// e**x to about one unit in the last place; below -87 it is zero
static inline F8 exponential(F8 x) {
    I8 zero = x < all(-87.0f);
    x = (F8)((~zero & (I8)x));
    F8 clipped = x > all(88.0f) ? all(88.0f) : x;
    F8 scaled = clipped * all(1.44269504f) + all(12582912.0f);  // rounds to a whole number
    F8 whole = scaled - all(12582912.0f);
    F8 r = clipped - whole * all(0.693359375f);
    r = r + whole * all(2.12194440e-4f);
    F8 p = all(1.9875691500e-4f);
    p = p * r + all(1.3981999507e-3f);
    p = p * r + all(8.3334519073e-3f);
    p = p * r + all(4.1665795894e-2f);
    p = p * r + all(1.6666665459e-1f);
    p = p * r + all(5.0000001201e-1f);
    p = p * r * r + r + all(1.0f);
    I8 power = (__builtin_convertvector(whole, I8) + 127) << 23;
    return (F8)(~zero & (I8)(p * (F8)power));
}

extern "C" {
struct Matrix {
    const void* data;
    const void* scales;  // int8: a float an output; int4: bfloat16 [panel][group][scale, middle][16]
    int32_t kind, panels, depth, unused;
};
struct Layer {
    Matrix qkv, out, gate_up, down;
    const float *norm_before, *norm_after;
    float *keys, *values;
};
struct Model {
    int32_t layers, hidden, inner, heads, kv_heads, size, blocks, threads;
    float eps;
    int32_t embedding_kind;
    const Layer* layer;
    const float *norm, *cosines, *sines;  // [position][size / 2]
    const void* embedding;                // rows, fp32 or bfloat16
};
struct Step {
    int32_t rows, chunks;
    const int32_t *tokens, *positions;      // a row each
    const int32_t *first, *width, *table;   // a chunk each: its first row, its rows, where its blocks begin
    const int32_t* blocks;
    float* hidden;                          // rows x hidden, out
};
}

// Sums of M rows with P panels from weights of one kind, k by k.
template <int KIND> struct Weights;
template <> struct Weights<FP32> {
    const float* at;
    Weights() = default;
    Weights(const Matrix& m, int panel) : at((const float*)m.data + (size_t)panel * m.depth * WIDE) {}
    inline void group(int) {}
    inline void get(int k, F8& low, F8& high) const {
        low = load(at + (size_t)k * WIDE); high = load(at + (size_t)k * WIDE + 8);
        __builtin_prefetch(at + (size_t)k * WIDE + 1024);
    }
};
template <> struct Weights<BF16> {
    const uint32_t* at;
    Weights() = default;
    Weights(const Matrix& m, int panel) : at((const uint32_t*)m.data + (size_t)panel * m.depth * 8) {}
    inline void group(int) {}
    inline void get(int k, F8& low, F8& high) const {
        U8 pair; memcpy(&pair, at + (size_t)k * 8, 32);
        low = bits(pair << 16); high = bits(pair & 0xffff0000u);
        __builtin_prefetch(at + (size_t)k * 8 + 1024);
    }
};
template <> struct Weights<INT8> {
    const int8_t* at;
    Weights() = default;
    Weights(const Matrix& m, int panel) : at((const int8_t*)m.data + (size_t)panel * m.depth * WIDE) {}
    inline void group(int) {}
    inline void get(int k, F8& low, F8& high) const {
        B8 a, b; memcpy(&a, at + (size_t)k * WIDE, 8); memcpy(&b, at + (size_t)k * WIDE + 8, 8);
        low = __builtin_convertvector(a, F8); high = __builtin_convertvector(b, F8);
        __builtin_prefetch(at + (size_t)k * WIDE + 4096);
    }
};
template <> struct Weights<INT4> {
    const uint8_t* at; const uint32_t* scales;
    F8 scale_low, scale_high, zero_low, zero_high;
    Weights() = default;
    Weights(const Matrix& m, int panel)
        : at((const uint8_t*)m.data + (size_t)panel * m.depth * 8),
          scales((const uint32_t*)m.scales + (size_t)panel * (m.depth / GROUP) * 16) {}
    inline void group(int k) {
        U8 scale, middle;
        const uint32_t* from = scales + k / GROUP * 16;
        memcpy(&scale, from, 32);
        memcpy(&middle, from + 8, 32);
        scale_low = bits(scale << 16);
        scale_high = bits(scale & 0xffff0000u);
        zero_low = bits(middle << 16) - scale_low * all(8);
        zero_high = bits(middle & 0xffff0000u) - scale_high * all(8);
    }
    inline void get(int k, F8& low, F8& high) const {
        N8 pair; memcpy(&pair, at + (size_t)k * 8, 8);
        low = __builtin_convertvector(pair & 15, F8) * scale_low + zero_low;
        high = __builtin_convertvector(pair >> 4, F8) * scale_high + zero_high;
        __builtin_prefetch(at + (size_t)k * 8 + 4096);
    }
};

template <int KIND, int M, int P>
static inline void tile(const Matrix& m, int panel, const float* x, size_t stride, F8 (&acc)[M][P][2]) {
    Weights<KIND> w[P];
    for (int p = 0; p < P; p++) w[p] = Weights<KIND>(m, panel + p);
    for (int r = 0; r < M; r++)
        for (int p = 0; p < P; p++) acc[r][p][0] = acc[r][p][1] = all(0);
    int step = KIND == INT4 ? GROUP : m.depth;
    for (int start = 0; start < m.depth; start += step) {
        for (int p = 0; p < P; p++) w[p].group(start);
        for (int k = start; k < start + step; k++) {
            for (int p = 0; p < P; p++) {
                F8 low, high;
                w[p].get(k, low, high);
                for (int r = 0; r < M; r++) {
                    F8 value = all(x[r * stride + k]);
                    acc[r][p][0] += value * low;
                    acc[r][p][1] += value * high;
                }
            }
        }
    }
    if (KIND == INT8)
        for (int p = 0; p < P; p++) {
            const float* scale = (const float*)m.scales + (panel + p) * WIDE;
            for (int r = 0; r < M; r++) {
                acc[r][p][0] = rounded(acc[r][p][0] * load(scale));
                acc[r][p][1] = rounded(acc[r][p][1] * load(scale + 8));
            }
        }
}

enum Ending { PUT, ADD, GATE };  // write, add to what is there, silu(even panel) * odd panel

template <int KIND, int M, int P>
static void block(const Matrix& m, int panel, const float* x, float* y, size_t width, Ending ending) {
    F8 acc[M][P][2];
    tile<KIND, M, P>(m, panel, x, m.depth, acc);
    for (int r = 0; r < M; r++)
        for (int h = 0; h < 2; h++) {
            if (ending == GATE) {
                if (P == 1) continue;  // pairs come together
                for (int p = 0; p + 1 < P; p += 2) {
                    F8 gate = acc[r][p][h];
                    F8 y8 = gate / (all(1) + exponential(-gate)) * acc[r][p + 1 < P ? p + 1 : p][h];
                    store(y + r * width + (panel + p) / 2 * WIDE + h * 8, y8);
                }
                continue;
            }
            for (int p = 0; p < P; p++) {
                float* to = y + r * width + (panel + p) * WIDE + h * 8;
                store(to, ending == ADD ? load(to) + acc[r][p][h] : acc[r][p][h]);
            }
        }
}

// Rows [0, rows) times panels [begin, end): rows in tiles of at most `MOST`, as even as can be.
template <int KIND>
static void multiply(const Matrix& m, int begin, int end, const float* x, int rows, float* y, size_t width,
                     Ending ending) {
    const int most = ending == GATE ? 3 : KIND == INT4 ? 4 : 6;
    const size_t near = 96 * 1024;  // floats of x that stay in a core's second cache
    int piece = (int)(near / m.depth) / most * most;
    if (piece < most) piece = most;
    for (int base = 0; base < rows; base += piece) {
        int here = rows - base < piece ? rows - base : piece;
        int tiles = (here + most - 1) / most;
        int wide = here == 1 ? 4 : here <= 3 ? 2 : ending == GATE ? 2 : 1;
        for (int panel = begin; panel < end; ) {
            while (panel + wide > end) wide /= 2;
            for (int t = 0; t < tiles; t++) {
                int from = here * t / tiles, num = here * (t + 1) / tiles - from;
                const float* xs = x + (size_t)(base + from) * m.depth;
                float* ys = y + (size_t)(base + from) * width;
                switch (wide * 8 + num) {
                    case 33: block<KIND, 1, 4>(m, panel, xs, ys, width, ending); break;
                    case 17: block<KIND, 1, 2>(m, panel, xs, ys, width, ending); break;
                    case 18: block<KIND, 2, 2>(m, panel, xs, ys, width, ending); break;
                    case 19: block<KIND, 3, 2>(m, panel, xs, ys, width, ending); break;
                    case 9: block<KIND, 1, 1>(m, panel, xs, ys, width, ending); break;
                    case 10: block<KIND, 2, 1>(m, panel, xs, ys, width, ending); break;
                    case 11: block<KIND, 3, 1>(m, panel, xs, ys, width, ending); break;
                    case 12: block<KIND, 4, 1>(m, panel, xs, ys, width, ending); break;
                    case 13: block<KIND, 5, 1>(m, panel, xs, ys, width, ending); break;
                    case 14: block<KIND, 6, 1>(m, panel, xs, ys, width, ending); break;
                }
            }
            panel += wide;
        }
    }
}

static void times(const Matrix& m, int t, int threads, const float* x, int rows, float* y, size_t width,
                  Ending ending) {
    int unit = ending == GATE ? 2 : 1, units = m.panels / unit;
    int begin = (int)((int64_t)units * t / threads) * unit, end = (int)((int64_t)units * (t + 1) / threads) * unit;
    switch (m.kind) {
        case FP32: multiply<FP32>(m, begin, end, x, rows, y, width, ending); break;
        case BF16: multiply<BF16>(m, begin, end, x, rows, y, width, ending); break;
        case INT8: multiply<INT8>(m, begin, end, x, rows, y, width, ending); break;
        case INT4: multiply<INT4>(m, begin, end, x, rows, y, width, ending); break;
    }
}

static void normalize(const float* x, const float* weight, int size, float eps, float* y) {
    F8 squares = all(0);
    for (int i = 0; i < size; i += 8) squares += load(x + i) * load(x + i);
    float scale = 1.0f / sqrtf(sum(squares) / size + eps);
    for (int i = 0; i < size; i += 8) store(y + i, load(x + i) * all(scale) * load(weight + i));
}

// Threads that wait for work and for each other: busily for a moment, then asleep, for the machine is shared.
struct Team {
    std::vector<std::thread> others;
    std::atomic<int> turn{0}, arrived{0}, phase{0}, item{0};
    bool ending = false;
    int size;
    void (*work)(void*, int) = nullptr;
    void* argument = nullptr;

    static void await(std::atomic<int>& value, int old) {
        for (int i = 0; i < 3000; i++) {
            if (value.load(std::memory_order_acquire) != old) return;
#if defined(__x86_64__)
            __builtin_ia32_pause();
#endif
        }
        value.wait(old, std::memory_order_acquire);
    }
    explicit Team(int threads) : size(threads) {
        for (int t = 1; t < threads; t++) others.emplace_back([this, t] { serve(t); });
    }
    ~Team() {
        ending = true;
        turn++;
        turn.notify_all();
        for (auto& other : others) other.join();
    }
    void serve(int t) {
        for (int seen = 0;;) {
            await(turn, seen);
            seen = turn.load();
            if (ending) return;
            work(argument, t);
        }
    }
    void run(void (*what)(void*, int), void* with) {
        work = what;
        argument = with;
        turn++;
        turn.notify_all();
        what(with, 0);
    }
    void meet() {  // every thread waits here for the others
        int now = phase.load(std::memory_order_relaxed);
        if (arrived.fetch_add(1, std::memory_order_acq_rel) == size - 1) {
            arrived.store(0, std::memory_order_relaxed);
            item.store(0, std::memory_order_relaxed);
            phase.store(now + 1, std::memory_order_release);
            phase.notify_all();
        } else await(phase, now);
    }
};

struct Job {
    const Model* model;
    const Step* step;
    Team* team;
    float *x, *h, *qkv, *attended, *inner;
    std::vector<int32_t> chunk, from;  // tiles of attention: their chunk, their first row in it
    std::vector<float>* scores;        // a thread each
};

static const int TILE = 6;  // queries that share a pass over keys and values

// M queries of one key/value head, the tile's from `at` on (the last one again where there are fewer).
template <int M>
static void look(const Job& job, const Layer& layer, int head, const int32_t* blocks, int row, int at, int count,
                 float* scores) {
    const Model& m = *job.model;
    int group = m.heads / m.kv_heads, width = (m.heads + 2 * m.kv_heads) * m.size;
    int positions[M], num_blocks = 0;
    size_t place[M], plane = (size_t)m.size * WIDE;
    float query[M * MOST_SIZE], share[M];
    for (int r = 0; r < M; r++) {
        int i = at + r < count ? at + r : count - 1, token = row + i / group, part = head * group + i % group;
        positions[r] = job.step->positions[token];
        if (positions[r] / WIDE + 1 > num_blocks) num_blocks = positions[r] / WIDE + 1;
        place[r] = (size_t)token * m.heads * m.size + part * m.size;
        const float* q = job.qkv + (size_t)token * width + part * m.size;
        for (int d = 0; d < m.size; d += 8)
            store(query + r * MOST_SIZE + d, load(q + d) * all(1.0f / sqrtf((float)m.size)));
    }
    size_t far = (size_t)num_blocks * WIDE;
    for (int b = 0; b < num_blocks; b++) {
        Matrix keys = {layer.keys + ((size_t)head * m.blocks + blocks[b]) * plane, nullptr, FP32, 1, m.size, 0};
        F8 acc[M][1][2];
        tile<FP32, M, 1>(keys, 0, query, MOST_SIZE, acc);
        for (int r = 0; r < M; r++)
            for (int h = 0; h < 2; h++) store(scores + r * far + b * WIDE + h * 8, acc[r][0][h]);
    }
    for (int r = 0; r < M; r++) {
        float *line = scores + r * far, top = -INFINITY;
        F8 most = all(-INFINITY), total = all(0);
        for (size_t i = positions[r] + 1; i < far; i++) line[i] = -INFINITY;
        for (size_t i = 0; i < far; i += 8) { F8 v = load(line + i); most = v > most ? v : most; }
        for (int i = 0; i < 8; i++) top = most[i] > top ? most[i] : top;
        for (size_t i = 0; i < far; i += 8) {
            F8 e = exponential(load(line + i) - all(top));
            store(line + i, e);
            total += e;
        }
        share[r] = 1.0f / sum(total);
    }
    for (int d = 0; d < m.size; d += WIDE) {
        F8 out[M][2];
        for (int r = 0; r < M; r++) out[r][0] = out[r][1] = all(0);
        for (int b = 0; b < num_blocks; b++) {
            const float* value = layer.values + ((size_t)head * m.blocks + blocks[b]) * plane + d;
            for (int k = 0; k < WIDE; k++) {
                F8 low = load(value + k * m.size), high = load(value + k * m.size + 8);
                for (int r = 0; r < M; r++) {
                    F8 p = all(scores[r * far + b * WIDE + k]);
                    out[r][0] += p * low;
                    out[r][1] += p * high;
                }
            }
        }
        for (int r = 0; r < M && at + r < count; r++)
            for (int h = 0; h < 2; h++) store(job.attended + place[r] + d + h * 8, out[r][h] * all(share[r]));
    }
}

static void attend(const Job& job, const Layer& layer, int t) {
    const Model& m = *job.model;
    const Step& s = *job.step;
    int group = m.heads / m.kv_heads, num_items = (int)job.chunk.size() * m.kv_heads;
    for (int item; (item = job.team->item.fetch_add(1)) < num_items;) {
        int chunk = job.chunk[item / m.kv_heads], from = job.from[item / m.kv_heads], head = item % m.kv_heads;
        int tokens = TILE / group > 1 ? TILE / group : 1;
        if (tokens > s.width[chunk] - from) tokens = s.width[chunk] - from;
        const int32_t* blocks = s.blocks + s.table[chunk];
        int row = s.first[chunk] + from, count = tokens * group;
        for (int at = 0; at < count; at += TILE) {
            if (count - at == 1) look<1>(job, layer, head, blocks, row, at, count, job.scores[t].data());
            else if (count - at <= 3) look<3>(job, layer, head, blocks, row, at, count, job.scores[t].data());
            else look<TILE>(job, layer, head, blocks, row, at, count, job.scores[t].data());
        }
    }
}

// Turn a row's queries and keys by its position, and put its keys and values into the cache.
static void rotate(const Job& job, const Layer& layer, int chunk, int row) {
    const Model& m = *job.model;
    int half = m.size / 2, position = job.step->positions[row];
    float* line = job.qkv + (size_t)row * (m.heads + 2 * m.kv_heads) * m.size;
    const float *c = m.cosines + (size_t)position * half, *s = m.sines + (size_t)position * half;
    for (int head = 0; head < m.heads + m.kv_heads; head++) {
        float* x = line + head * m.size;
        for (int i = 0; i < half; i += 8) {
            F8 low = load(x + i), high = load(x + half + i), cos8 = load(c + i), sin8 = load(s + i);
            store(x + i, low * cos8 - high * sin8);
            store(x + half + i, high * cos8 + low * sin8);
        }
    }
    int32_t block = job.step->blocks[job.step->table[chunk] + position / WIDE];
    int at = position % WIDE;
    for (int head = 0; head < m.kv_heads; head++) {
        size_t plane = ((size_t)head * m.blocks + block) * m.size * WIDE;
        const float *key = line + (m.heads + head) * m.size, *value = key + m.kv_heads * m.size;
        for (int d = 0; d < m.size; d++) layer.keys[plane + (size_t)d * WIDE + at] = key[d];
        memcpy(layer.values + plane + (size_t)at * m.size, value, sizeof(float) * m.size);
    }
}

static void embed(const Model& m, int token, float* x) {
    if (m.embedding_kind == FP32) {
        memcpy(x, (const float*)m.embedding + (size_t)token * m.hidden, sizeof(float) * m.hidden);
        return;
    }
    const uint16_t* from = (const uint16_t*)m.embedding + (size_t)token * m.hidden;
    for (int i = 0; i < m.hidden; i++) {
        uint32_t wide = (uint32_t)from[i] << 16;
        memcpy(x + i, &wide, 4);
    }
}

static void work(void* argument, int t) {
    Job& job = *(Job*)argument;
    const Model& m = *job.model;
    const Step& s = *job.step;
    Team& team = *job.team;
    int n = s.rows, T = team.size, begin = (int)((int64_t)n * t / T), end = (int)((int64_t)n * (t + 1) / T);
    size_t wide = (m.heads + 2 * m.kv_heads) * (size_t)m.size, C = m.hidden;
    auto norm = [&](const float* weight, float* to) {
        for (int row = begin; row < end; row++) normalize(job.x + row * C, weight, m.hidden, m.eps, to + row * C);
        team.meet();
    };
    for (int row = begin; row < end; row++) embed(m, s.tokens[row], job.x + row * C);
    for (int l = 0; l < m.layers; l++) {
        const Layer& layer = m.layer[l];
        norm(layer.norm_before, job.h);
        times(layer.qkv, t, T, job.h, n, job.qkv, wide, PUT);
        team.meet();
        for (int chunk = 0, row = begin; row < end; row++) {
            while (row >= s.first[chunk] + s.width[chunk]) chunk++;
            rotate(job, layer, chunk, row);
        }
        team.meet();
        attend(job, layer, t);
        team.meet();
        times(layer.out, t, T, job.attended, n, job.x, C, ADD);
        team.meet();
        norm(layer.norm_after, job.h);
        times(layer.gate_up, t, T, job.h, n, job.inner, m.inner, GATE);
        team.meet();
        times(layer.down, t, T, job.inner, n, job.x, C, ADD);
        team.meet();
    }
    norm(m.norm, s.hidden);
}

struct Product {
    const Matrix* matrix;
    const float* x;
    float* y;
    int rows;
    Team* team;
};

static void product(void* argument, int t) {
    Product& p = *(Product*)argument;
    times(*p.matrix, t, p.team->size, p.x, p.rows, p.y, (size_t)p.matrix->panels * WIDE, PUT);
    p.team->meet();
}

extern "C" {
void* team_open(int threads) { return new Team(threads); }
void team_close(void* team) { delete (Team*)team; }

// y = x times the matrix: rows x (panels * 16).
void team_product(void* team, const Matrix* matrix, const float* x, int rows, float* y) {
    Product p = {matrix, x, y, rows, (Team*)team};
    p.team->run(product, &p);
}

void team_step(void* team, const Model* model, const Step* step) {
    const Model& m = *model;
    size_t n = step->rows, wide = (m.heads + 2 * m.kv_heads) * (size_t)m.size;
    std::vector<float> x(n * m.hidden), h(n * m.hidden), qkv(n * wide), attended(n * m.heads * m.size), inner(n * m.inner);
    std::vector<std::vector<float>> scores(((Team*)team)->size);
    Job job = {model, step, (Team*)team, x.data(), h.data(), qkv.data(), attended.data(), inner.data(), {}, {}, scores.data()};
    int group = m.heads / m.kv_heads, tokens = TILE / group > 1 ? TILE / group : 1, far = 0;
    for (int c = 0; c < step->chunks; c++) {
        for (int from = 0; from < step->width[c]; from += tokens) {
            job.chunk.push_back(c);
            job.from.push_back(from);
        }
        int last = step->positions[step->first[c] + step->width[c] - 1];
        if (last > far) far = last;
    }
    for (auto& one : scores) one.resize((size_t)TILE * (far / WIDE + 1) * WIDE);
    job.team->run(work, &job);
}
}
