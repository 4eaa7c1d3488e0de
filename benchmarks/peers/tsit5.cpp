// A hand-written C++ Tsit5: the floor that a batch engine on the CPU is compared with.
//
// 10,000 Lorenz trajectories (sigma 10, beta 8/3, rho = linspace(20, 30), y0 = (1, 1, 1)), double,
// t in [0, T] with T = 10, rtol 1e-6, atol 1e-9. Tsitouras' 5(4) pair of 2011 with FSAL, an
// I controller (exponent 1/5, safety 0.9, factors 0.2 to 10), error norm: root mean square.
// LANES trajectories stand side by side in one block of arrays, each with its own time and step;
// acceptance is a select, and a lane that finishes takes the next trajectory at once.
//
//   g++ -std=c++20 -Ofast -march=native -fschedule-insns -fsched-pressure -pthread tsit5.cpp
//   (plain -O3 -march=native costs a fifth; -DLANES=16 makes wider blocks)
//   ./a.out [T] [threads] [trajectories]
//
// Prints one JSON line: us_per_trajectory (wall, best of 5), mean_steps (attempted, so rejected
// ones count), sample (the end of trajectory 0).

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#ifndef LANES
#define LANES 8
#endif

namespace {

constexpr double kSigma = 10.0, kBeta = 8.0 / 3.0, kRtol = 1e-6, kAtol = 1e-9;
constexpr double kSafety = 0.9, kShrink = 0.2, kGrow = 10.0;
constexpr double kIdle = -1e300;  // the time of a lane with nothing left to do: it never arrives

constexpr double a21 = 0.161;
constexpr double a31 = -0.008480655492356989, a32 = 0.335480655492357;
constexpr double a41 = 2.8971530571054935, a42 = -6.359448489975075, a43 = 4.3622954328695815;
constexpr double a51 = 5.325864828439257, a52 = -11.748883564062828, a53 = 7.4955393428898365,
                 a54 = -0.09249506636175525;
constexpr double a61 = 5.86145544294642, a62 = -12.92096931784711, a63 = 8.159367898576159,
                 a64 = -0.071584973281401, a65 = -0.028269050394068383;
constexpr double a71 = 0.09646076681806523, a72 = 0.01, a73 = 0.4798896504144996,
                 a74 = 1.379008574103742, a75 = -3.290069515436081, a76 = 2.324710524099774;
constexpr double e1 = -0.00178001105222577714, e2 = -0.0008164344596567469,
                 e3 = 0.007880878010261995, e4 = -0.1447110071732629, e5 = 0.5823571654525552,
                 e6 = -0.45808210592918697, e7 = 0.015151515151515152;

// The machine's own vector (GCC's extension: arithmetic, comparison and ?: work by element), and a
// row of them as wide as a block: its vectors are independent, so their latencies overlap.
#ifdef __AVX512F__
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif
static_assert(LANES % kWidth == 0);
constexpr int kRow = LANES / kWidth;
typedef double Vec __attribute__((vector_size(kWidth * sizeof(double))));
typedef std::int64_t Bits __attribute__((vector_size(kWidth * sizeof(double))));

inline Vec fill_vec(double v) { return v - Vec{}; }
inline Vec vmin(Vec a, Vec b) { return a < b ? a : b; }
inline Vec vmax(Vec a, Vec b) { return a > b ? a : b; }
inline Vec vabs(Vec a) { return (Vec)((Bits)a & INT64_MAX); }

struct alignas(64) Row {
  Vec v[kRow];
  double& at(int l) { return reinterpret_cast<double*>(v)[l]; }
};

struct Block {
  Row x, y, z, fx, fy, fz;  // the state, and its derivative, kept for the next step
  Row rho, t, h, steps;
};

struct Batch {
  int n;
  double end;
  std::vector<double> rho, out, steps;  // out: n rows of 3
  std::atomic<int> next{0};

  Batch(int count, double t) : n(count), end(t), rho(n), out(3 * static_cast<size_t>(n)), steps(n) {
    for (int i = 0; i < n; ++i) rho[i] = n > 1 ? 20.0 + 10.0 * i / (n - 1) : 20.0;
  }
};

// v^(-1/10) to about 1e-4, all of it in instructions that AVX2 has: the logarithm and its inverse
// are read off the bits (2^52 added puts an integer below 2^52 into a double), two Newton steps.
inline Vec root10(Vec v) {
  constexpr std::int64_t kTop = 0x4330000000000000;
  constexpr double kTwo52 = 4503599627370496.0, kTwo40 = 1099511627776.0;
  const Vec log2 = (Vec)((Bits)v >> 12 | kTop) - kTwo52;  // v is positive: the shift's sign is 0
  Vec r = (Vec)((Bits)((1023.0 * 1.1 - 0.043) * kTwo40 + kTwo52 - 0.1 * log2) << 12);
  for (int i = 0; i < 2; ++i) {
    const Vec r2 = r * r, r4 = r2 * r2;
    r *= 1.1 - 0.1 * v * (r4 * r4 * r2);
  }
  return r;
}

// One attempted step of every lane; returns whether one of them has arrived.
inline bool step(Block& b, double end) {
  Row u, v, w, h, kx[8], ky[8], kz[8];
  for (int j = 0; j < kRow; ++j) {
    h.v[j] = vmin(b.h.v[j], end - b.t.v[j]);
    kx[1].v[j] = b.fx.v[j], ky[1].v[j] = b.fy.v[j], kz[1].v[j] = b.fz.v[j];
  }
// One stage: the state at it, by the row of the tableau SUM, and the derivative there.
#define STAGE(i, SUM)                                             \
  for (int j = 0; j < kRow; ++j) {                                \
    u.v[j] = b.x.v[j] + h.v[j] * (SUM(kx));                       \
    v.v[j] = b.y.v[j] + h.v[j] * (SUM(ky));                       \
    w.v[j] = b.z.v[j] + h.v[j] * (SUM(kz));                       \
    kx[i].v[j] = kSigma * (v.v[j] - u.v[j]);                      \
    ky[i].v[j] = u.v[j] * (b.rho.v[j] - w.v[j]) - v.v[j];         \
    kz[i].v[j] = u.v[j] * v.v[j] - kBeta * w.v[j];                \
  }
#define S2(k) a21* k[1].v[j]
#define S3(k) a31* k[1].v[j] + a32* k[2].v[j]
#define S4(k) a41* k[1].v[j] + a42* k[2].v[j] + a43* k[3].v[j]
#define S5(k) a51* k[1].v[j] + a52* k[2].v[j] + a53* k[3].v[j] + a54* k[4].v[j]
#define S6(k) a61* k[1].v[j] + a62* k[2].v[j] + a63* k[3].v[j] + a64* k[4].v[j] + a65* k[5].v[j]
#define S7(k)                                                                              \
  a71* k[1].v[j] + a72* k[2].v[j] + a73* k[3].v[j] + a74* k[4].v[j] + a75* k[5].v[j] + \
      a76* k[6].v[j]
#define ERR(k)                                                                         \
  e1* k[1].v[j] + e2* k[2].v[j] + e3* k[3].v[j] + e4* k[4].v[j] + e5* k[5].v[j] + \
      e6* k[6].v[j] + e7* k[7].v[j]
  STAGE(2, S2)
  STAGE(3, S3)
  STAGE(4, S4)
  STAGE(5, S5)
  STAGE(6, S6)
  STAGE(7, S7)
  Bits arrived{};
  for (int j = 0; j < kRow; ++j) {
    // Three scaled squares over one common denominator: one division where there were three.
    const Vec sx = kAtol + kRtol * vmax(vabs(b.x.v[j]), vabs(u.v[j]));
    const Vec sy = kAtol + kRtol * vmax(vabs(b.y.v[j]), vabs(v.v[j]));
    const Vec sz = kAtol + kRtol * vmax(vabs(b.z.v[j]), vabs(w.v[j]));
    const Vec ex = (ERR(kx)) * (sy * sz), ey = (ERR(ky)) * (sx * sz), ez = (ERR(kz)) * (sx * sy);
    const Vec den = sx * sy * sz, hj = h.v[j];
    const Vec squares = hj * hj * (ex * ex + ey * ey + ez * ez) / (3.0 * (den * den));
    const Bits ok = squares <= 1.0;
    const Vec bounded = vmin(vmax(squares, fill_vec(1e-12)), fill_vec(1e12));
    const Vec factor = vmin(vmax(kSafety * root10(bounded), fill_vec(kShrink)), fill_vec(kGrow));
    const Vec now = ok ? (b.h.v[j] < end - b.t.v[j] ? b.t.v[j] + hj : fill_vec(end)) : b.t.v[j];
    b.x.v[j] = ok ? u.v[j] : b.x.v[j];
    b.y.v[j] = ok ? v.v[j] : b.y.v[j];
    b.z.v[j] = ok ? w.v[j] : b.z.v[j];
    b.fx.v[j] = ok ? kx[7].v[j] : kx[1].v[j];
    b.fy.v[j] = ok ? ky[7].v[j] : ky[1].v[j];
    b.fz.v[j] = ok ? kz[7].v[j] : kz[1].v[j];
    b.h.v[j] = hj * factor;
    b.t.v[j] = now;
    b.steps.v[j] += 1.0;
    arrived |= now >= end;
  }
  std::int64_t any = 0;
  for (int l = 0; l < kWidth; ++l) any |= arrived[l];
  return any != 0;
}

void begin(Block& b, int l, double rho, double t) {
  b.x.at(l) = b.y.at(l) = b.z.at(l) = 1.0;
  b.fx.at(l) = 0.0;
  b.fy.at(l) = rho - 2.0;
  b.fz.at(l) = 1.0 - kBeta;
  b.rho.at(l) = rho;
  b.t.at(l) = t;
  b.h.at(l) = 0.01 * std::sqrt(3.0 / (b.fy.at(l) * b.fy.at(l) + b.fz.at(l) * b.fz.at(l)));  // |y| / |f|, Hairer
  b.steps.at(l) = 0.0;
}

void work(Batch& batch) {
  Block b;
  int owner[LANES], live = 0;
  const auto fill = [&](int l) {
    const int i = batch.next.fetch_add(1, std::memory_order_relaxed);
    owner[l] = i < batch.n ? i : -1;
    begin(b, l, i < batch.n ? batch.rho[i] : 20.0, i < batch.n ? 0.0 : kIdle);
    return i < batch.n;
  };
  for (int l = 0; l < LANES; ++l) live += fill(l);
  while (live > 0) {
    if (!step(b, batch.end)) continue;
    for (int l = 0; l < LANES; ++l) {
      if (b.t.at(l) < batch.end) continue;
      const size_t i = owner[l];
      batch.out[3 * i] = b.x.at(l), batch.out[3 * i + 1] = b.y.at(l), batch.out[3 * i + 2] = b.z.at(l);
      batch.steps[i] = b.steps.at(l);
      if (!fill(l)) --live;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const double end = argc > 1 ? std::atof(argv[1]) : 10.0;
  const int threads = argc > 2 ? std::atoi(argv[2]) : 2;
  const int count = argc > 3 ? std::atoi(argv[3]) : 10000;
  Batch batch(count, end);
  double best = 1e300;
  for (int repeat = 0; repeat < 5; ++repeat) {
    batch.next = 0;
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> pool;
    for (int i = 1; i < threads; ++i) pool.emplace_back(work, std::ref(batch));
    work(batch);
    for (auto& thread : pool) thread.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  double steps = 0.0;
  for (const double s : batch.steps) steps += s;
  std::printf(
      "{\"us_per_trajectory\": %.4f, \"mean_steps\": %.2f, \"sample\": [%.15g, %.15g, %.15g], "
      "\"lanes\": %d, \"threads\": %d, \"t_end\": %g, \"trajectories\": %d}\n",
      1e6 * best / count, steps / count, batch.out[0], batch.out[1], batch.out[2], LANES, threads,
      end, count);
}
