// lorenz: tsit5, float64

typedef long long integer;
typedef double real;

// The smaller or larger of two; not-a-number where one of them is.
template <class T> __device__ __forceinline__ T smaller(T a, T b) {
  return a < b || a != a ? a : b;
}
template <class T> __device__ __forceinline__ T larger(T a, T b) {
  return a > b || a != a ? a : b;
}

// A GPU's own instructions: better than the polynomials that vectors have, and as quick.
__device__ __forceinline__ float quick_log2(float x) { return __log2f(x); }
__device__ __forceinline__ float quick_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float quick_ratio(float x, float y) { return __fdividef(x, y); }


extern "C" __global__ void __launch_bounds__(128) emberkeep_kernel(
    integer count,
    integer first,
    integer runs,
    integer share,
    const real* __restrict__ values,
    const integer* __restrict__ sources,
    const double* __restrict__ spans,
    integer span_step,
    const double* __restrict__ settings,
    const real* __restrict__ atol,
    integer most_attempts,
    const volatile integer* stop,
    const integer* __restrict__ strides,
    signed char* __restrict__ status,
    integer save_count,
    const double* __restrict__ save_times,
    integer save_step,
    real* __restrict__ states,
    real* __restrict__ final) {
  const integer begin = (integer)blockIdx.x * blockDim.x + threadIdx.x;
  if (begin >= count) return;
  const integer end = begin + 1;
  integer run_1 = 0, started_1 = 0, saved_1 = 0, running_1 = 0, waiting_1 = 0, attempts_1 = 0, deadline_1 = 0, outcome_1 = 0;
  integer left_1 = 0, place_1 = 0, place_3 = 0, place_5 = 0, place_7 = 0, place_9 = 0, place_11 = 0;
  double start_1 = 0, span_1 = 0, elapsed_1 = 0, due_1 = 0;
  real floor_1 = 0, y0_1 = 0, y1_1 = 0, y2_1 = 0, k10_1 = 0, k11_1 = 0, k12_1 = 0, p0_1 = 0;
  real p1_1 = 0, p2_1 = 0, size_1 = 0, least_1 = 0, square_1 = 0, checked_square_1 = 0;
  bool attention_1 = 0, fresh_1 = 0;
  float error_before_1 = 0, error_earlier_1 = 0, size_change_1 = 0, most_growing_1 = 0;
  const double v_1 = settings[0];
  const double v_2 = settings[1];
  const double v_3 = settings[2];
  const double v_4 = settings[3];
  const double v_5 = settings[4];
  const double v_6 = settings[5];
  const double v_7 = settings[6];
  const double v_8 = settings[7];
  const double v_9 = settings[8];
  const double v_10 = settings[9];
  const double v_11 = settings[10];
  const double v_12 = settings[11];
  const double v_13 = settings[12];
  const double v_14 = settings[13];
  const real v_15 = (real)v_1;
  const real v_16 = (real)v_2;
  const real v_17 = (real)v_4;
  const real v_18 = (real)v_5;
  const real v_19 = (real)v_6;
  const real v_20 = (real)v_7;
  const real v_21 = (real)v_8;
  const real v_22 = (real)v_9;
  const real v_23 = (real)v_10;
  const real v_24 = (real)v_11;
  const real v_25 = (real)v_12;
  const real v_26 = (real)v_13;
  const real v_27 = (real)v_14;
  run_1 = -1;
  start_1 = 0.0;
  span_1 = 0.0;
  floor_1 = 0.0;
  y0_1 = 0.0;
  y1_1 = 0.0;
  y2_1 = 0.0;
  k10_1 = 0.0;
  k11_1 = 0.0;
  k12_1 = 0.0;
  p0_1 = 0.0;
  p1_1 = 0.0;
  p2_1 = 0.0;
  const real v_28 = atol[0];
  const real v_29 = atol[1];
  const real v_30 = atol[2];
  const float v_31 = (float)v_6;
  const float v_32 = (float)v_13;
  const float v_33 = (float)v_14;
  running_1 = 0;
  attempts_1 = 0;
  deadline_1 = 0;
  waiting_1 = begin;
  run_1 = -1;
  attention_1 = true;
  elapsed_1 = 0.0;
  size_1 = 0.0;
  least_1 = 0.0;
  square_1 = 0.0;
  started_1 = 0;
  for (;;) {
    const integer attempts_2 = attempts_1;
    const integer deadline_2 = deadline_1;
    const bool v_34 = attempts_2 >= deadline_2;
    if (v_34) {
      deadline_1 = 4611686018427387904LL;
    }
    fresh_1 = false;
    const bool attention_2 = attention_1;
    if (attention_2 || v_34) {
      const integer attempts_3 = attempts_1;
      const integer started_2 = started_1;
      const real square_2 = square_1;
      const real size_2 = size_1;
      const real least_2 = least_1;
      const integer v_35 = (size_2 < least_2) ? ((square_2 < 1e+37) ? 1 : 2) : (((attempts_3 - started_2) >= most_attempts) ? 3 : -1);
      const double elapsed_2 = elapsed_1;
      const double span_2 = span_1;
      outcome_1 = ((elapsed_2 >= span_2) ? 0 : v_35);
      const integer outcome_2 = outcome_1;
      const bool v_36 = outcome_2 != -1;
      if (!v_36) {
        const integer started_3 = started_1;
        const integer v_37 = started_3 + most_attempts;
        const integer deadline_3 = deadline_1;
        deadline_1 = ((deadline_3 < v_37) ? deadline_3 : v_37);
      }
      if (v_36) {
        const integer outcome_3 = outcome_1;
        const integer run_2 = run_1;
        if (run_2 >= 0) {
          const integer saved_2 = saved_1;
          const integer attempts_4 = attempts_1;
          const integer started_4 = started_1;
          const integer v_38 = attempts_4 - started_4;
          const integer run_3 = run_1;
          status[run_3] = outcome_3;
          const bool v_39 = outcome_3 == 0;
          const double span_3 = span_1;
          const double start_2 = start_1;
          const double v_40 = start_2 + (v_1 * span_3);
          left_1 = saved_2;
          for (;;) {
            const integer left_2 = left_1;
            if (left_2 >= save_count) break;
            const integer left_3 = left_1;
            const integer v_41 = strides[1];
            const integer v_42 = strides[2];
            const integer v_43 = (run_3 * v_41) + (left_3 * v_42);
            const integer v_44 = strides[3];
            states[v_43] = __longlong_as_double(0x7ff8000000000000);
            states[(v_43 + v_44)] = __longlong_as_double(0x7ff8000000000000);
            states[(v_43 + (2 * v_44))] = __longlong_as_double(0x7ff8000000000000);
            const integer left_4 = left_1;
            left_1 = (left_4 + 1);
          }
          const integer v_45 = strides[0];
          if (v_45 != 0) {
            const integer v_46 = strides[4];
            const integer v_47 = run_3 * v_46;
            const integer v_48 = strides[5];
            const real y0_2 = y0_1;
            final[v_47] = (v_39 ? y0_2 : __longlong_as_double(0x7ff8000000000000));
            const real y1_2 = y1_1;
            final[(v_47 + v_48)] = (v_39 ? y1_2 : __longlong_as_double(0x7ff8000000000000));
            const real y2_2 = y2_1;
            final[(v_47 + (2 * v_48))] = (v_39 ? y2_2 : __longlong_as_double(0x7ff8000000000000));
          }
          const integer running_2 = running_1;
          running_1 = (running_2 - 1);
          run_1 = -1;
        }
        attention_1 = false;
        span_1 = __longlong_as_double(0x7ff0000000000000);
        elapsed_1 = 0.0;
        size_1 = 0.0;
        least_1 = 0.0;
        due_1 = __longlong_as_double(0x7ff0000000000000);
        y0_1 = 0.0;
        y1_1 = 0.0;
        y2_1 = 0.0;
        k10_1 = 0.0;
        k11_1 = 0.0;
        k12_1 = 0.0;
        start_1 = 0.0;
        floor_1 = 0.0;
        const integer waiting_2 = waiting_1;
        if (waiting_2 < end) {
          const integer waiting_3 = waiting_1;
          waiting_1 = (waiting_3 + 1);
          const integer running_3 = running_1;
          running_1 = (running_3 + 1);
          run_1 = waiting_3;
          const integer v_49 = sources[0];
          const integer v_50 = sources[1];
          const integer v_51 = sources[2];
          const integer v_52 = sources[3];
          place_1 = (v_49 + (v_50 * waiting_3));
          if (v_51 > 0) {
            place_1 = (v_49 + (((first + waiting_3) / v_51) % v_52));
          }
          const integer place_2 = place_1;
          const real v_53 = values[place_2];
          y0_1 = v_53;
          const integer v_54 = sources[4];
          const integer v_55 = sources[5];
          const integer v_56 = sources[6];
          const integer v_57 = sources[7];
          place_3 = (v_54 + (v_55 * waiting_3));
          if (v_56 > 0) {
            place_3 = (v_54 + (((first + waiting_3) / v_56) % v_57));
          }
          const integer place_4 = place_3;
          const real v_58 = values[place_4];
          y1_1 = v_58;
          const integer v_59 = sources[8];
          const integer v_60 = sources[9];
          const integer v_61 = sources[10];
          const integer v_62 = sources[11];
          place_5 = (v_59 + (v_60 * waiting_3));
          if (v_61 > 0) {
            place_5 = (v_59 + (((first + waiting_3) / v_61) % v_62));
          }
          const integer place_6 = place_5;
          const real v_63 = values[place_6];
          y2_1 = v_63;
          const integer v_64 = sources[12];
          const integer v_65 = sources[13];
          const integer v_66 = sources[14];
          const integer v_67 = sources[15];
          place_7 = (v_64 + (v_65 * waiting_3));
          if (v_66 > 0) {
            place_7 = (v_64 + (((first + waiting_3) / v_66) % v_67));
          }
          const integer place_8 = place_7;
          const real v_68 = values[place_8];
          p0_1 = v_68;
          const integer v_69 = sources[16];
          const integer v_70 = sources[17];
          const integer v_71 = sources[18];
          const integer v_72 = sources[19];
          place_9 = (v_69 + (v_70 * waiting_3));
          if (v_71 > 0) {
            place_9 = (v_69 + (((first + waiting_3) / v_71) % v_72));
          }
          const integer place_10 = place_9;
          const real v_73 = values[place_10];
          p1_1 = v_73;
          const integer v_74 = sources[20];
          const integer v_75 = sources[21];
          const integer v_76 = sources[22];
          const integer v_77 = sources[23];
          place_11 = (v_74 + (v_75 * waiting_3));
          if (v_76 > 0) {
            place_11 = (v_74 + (((first + waiting_3) / v_76) % v_77));
          }
          const integer place_12 = place_11;
          const real v_78 = values[place_12];
          p2_1 = v_78;
          const integer run_4 = run_1;
          const integer v_79 = (first + run_4) * span_step;
          const double v_80 = spans[v_79];
          const double v_81 = spans[(v_79 + 1)];
          start_1 = v_80;
          span_1 = (fabs((v_81 - v_80)));
          floor_1 = ((real)v_3);
          elapsed_1 = 0.0;
          square_1 = 0.0;
          const integer attempts_5 = attempts_1;
          started_1 = attempts_5;
          const integer v_82 = attempts_5 + most_attempts;
          const integer deadline_4 = deadline_1;
          deadline_1 = ((deadline_4 < v_82) ? deadline_4 : v_82);
          saved_1 = 0;
          const integer saved_3 = saved_1;
          const integer run_5 = run_1;
          const double v_83 = save_times[(((first + run_5) * save_step) + saved_3)];
          due_1 = v_83;
          error_before_1 = 0.0f;
          error_earlier_1 = 0.0f;
          size_change_1 = 0.0f;
          most_growing_1 = v_33;
          fresh_1 = true;
          const double elapsed_3 = elapsed_1;
          const double start_3 = start_1;
          const double v_84 = start_3 + (v_1 * elapsed_3);
          const real y0_3 = y0_1;
          const real y1_3 = y1_1;
          const real y2_3 = y2_1;
          const real p0_2 = p0_1;
          const real p1_2 = p1_1;
          const real p2_2 = p2_1;
          const real v_85 = p0_2 * (y1_3 - y0_3);
          const real v_86 = (y0_3 * (p1_2 - y2_3)) - y1_3;
          const real v_87 = (y0_3 * y1_3) - (y2_3 * p2_2);
          const real k10_2 = k10_1;
          k10_1 = v_85;
          const real k11_2 = k11_1;
          k11_1 = v_86;
          const real k12_2 = k12_1;
          k12_1 = v_87;
          const double elapsed_4 = elapsed_1;
          const double start_4 = start_1;
          const real v_88 = (fabs(((real)(start_4 + (v_1 * elapsed_4))))) * 3.552713678800501e-15;
          const real floor_2 = floor_1;
          const real v_89 = (floor_2 > v_88) ? floor_2 : v_88;
          const real y0_4 = y0_1;
          const real y0_5 = y0_1;
          const real v_90 = (fabs(y0_4)) / (v_28 + (v_18 * (fabs(y0_5))));
          const real v_91 = (1.0 > v_90) ? 1.0 : v_90;
          const real y1_4 = y1_1;
          const real y1_5 = y1_1;
          const real v_92 = (fabs(y1_4)) / (v_29 + (v_18 * (fabs(y1_5))));
          const real v_93 = (v_91 > v_92) ? v_91 : v_92;
          const real y2_4 = y2_1;
          const real y2_5 = y2_1;
          const real v_94 = (fabs(y2_4)) / (v_30 + (v_18 * (fabs(y2_5))));
          const real y0_6 = y0_1;
          const real v_95 = (fabs(v_85)) / (v_28 + (v_18 * (fabs(y0_6))));
          const real v_96 = (1e-37 > v_95) ? 1e-37 : v_95;
          const real y1_6 = y1_1;
          const real v_97 = (fabs(v_86)) / (v_29 + (v_18 * (fabs(y1_6))));
          const real v_98 = (v_96 > v_97) ? v_96 : v_97;
          const real y2_6 = y2_1;
          const real v_99 = (fabs(v_87)) / (v_30 + (v_18 * (fabs(y2_6))));
          const real v_100 = (v_98 > v_99) ? v_98 : v_99;
          const double span_4 = span_1;
          const double elapsed_5 = elapsed_1;
          const real v_101 = ((real)(span_4 - elapsed_5)) * 0.1;
          const real v_102 = (v_101 < v_17) ? v_101 : v_17;
          const real v_103 = (((v_93 > v_94) ? v_93 : v_94) * 0.01) / v_100;
          const real v_104 = (v_103 < v_102) ? v_103 : v_102;
          const real v_105 = v_104 * v_15;
          const real y0_7 = y0_1;
          const real v_106 = y0_7 + (v_105 * v_85);
          const real y1_7 = y1_1;
          const real v_107 = y1_7 + (v_105 * v_86);
          const real y2_7 = y2_1;
          const real v_108 = y2_7 + (v_105 * v_87);
          const double elapsed_6 = elapsed_1;
          const double start_5 = start_1;
          const double v_109 = start_5 + (v_1 * (elapsed_6 + ((double)v_104)));
          const real p0_3 = p0_1;
          const real p1_3 = p1_1;
          const real p2_3 = p2_1;
          const real y0_8 = y0_1;
          const real v_110 = (fabs(((p0_3 * (v_107 - v_106)) - v_85))) / (v_28 + (v_18 * (fabs(y0_8))));
          const real v_111 = (0.0 > v_110) ? 0.0 : v_110;
          const real y1_8 = y1_1;
          const real v_112 = (fabs((((v_106 * (p1_3 - v_108)) - v_107) - v_86))) / (v_29 + (v_18 * (fabs(y1_8))));
          const real v_113 = (v_111 > v_112) ? v_111 : v_112;
          const real y2_8 = y2_1;
          const real v_114 = (fabs((((v_106 * v_107) - (v_108 * p2_3)) - v_87))) / (v_30 + (v_18 * (fabs(y2_8))));
          const real v_115 = ((v_113 > v_114) ? v_113 : v_114) / v_104;
          const real v_116 = 0.01 / ((v_115 > v_100) ? v_115 : v_100);
          const float v_117 = (float)((v_116 < 1e+30) ? v_116 : 1e+30);
          const float v_118 = quick_exp2(((quick_log2(((v_117 > 9.999999999999999e-31f) ? v_117 : 9.999999999999999e-31f))) * 0.2f));
          const real v_119 = (real)v_118;
          const real v_120 = v_104 * 100.0;
          const real v_121 = (v_119 < v_120) ? v_119 : v_120;
          const real v_122 = (v_16 > 0.0) ? ((v_16 < v_17) ? v_16 : v_17) : ((v_121 < v_102) ? v_121 : v_102);
          const real size_3 = size_1;
          size_1 = ((v_122 > v_89) ? v_122 : v_89);
          const real least_3 = least_1;
          least_1 = v_89;
          const double span_5 = span_1;
          attention_1 = (span_5 <= 0.0);
        }
      }
    }
    const bool fresh_2 = fresh_1;
    const double due_2 = due_1;
    const bool v_123 = fresh_2 && (due_2 <= 0.0);
    if (v_123) {
      const double start_6 = start_1;
      const integer saved_4 = saved_1;
      if (v_123) {
        const integer run_6 = run_1;
        const integer v_124 = strides[1];
        const integer v_125 = strides[2];
        const integer v_126 = (run_6 * v_124) + (saved_4 * v_125);
        const integer v_127 = strides[3];
        const real y0_9 = y0_1;
        states[v_126] = y0_9;
        const real y1_9 = y1_1;
        states[(v_126 + v_127)] = y1_9;
        const real y2_9 = y2_1;
        states[(v_126 + (2 * v_127))] = y2_9;
        const integer saved_5 = saved_1;
        saved_1 = (saved_5 + 1);
        const integer saved_6 = saved_1;
        const integer run_7 = run_1;
        const double v_128 = save_times[(((first + run_7) * save_step) + saved_6)];
        due_1 = v_128;
      }
    }
    const integer running_4 = running_1;
    if (running_4 == 0) break;
    for (;;) {
      const double elapsed_7 = elapsed_1;
      const double span_6 = span_1;
      const real size_4 = size_1;
      const double remaining_1 = span_6 - elapsed_7;
      const bool v_129 = ((double)size_4) >= remaining_1;
      const real h_1 = v_129 ? ((real)remaining_1) : size_4;
      const double start_7 = start_1;
      const double t_1 = start_7 + (v_1 * elapsed_7);
      const real signed_h_1 = h_1 * v_15;
      const real v_130 = signed_h_1 * 0.161;
      const real y0_10 = y0_1;
      const real k10_3 = k10_1;
      const real v_131 = y0_10 + (v_130 * k10_3);
      const real y1_10 = y1_1;
      const real k11_3 = k11_1;
      const real v_132 = y1_10 + (v_130 * k11_3);
      const real y2_10 = y2_1;
      const real k12_3 = k12_1;
      const real v_133 = y2_10 + (v_130 * k12_3);
      const double v_134 = t_1 + ((double)(signed_h_1 * 0.161));
      const real p0_4 = p0_1;
      const real p1_4 = p1_1;
      const real p2_4 = p2_1;
      const real v_135 = p0_4 * (v_132 - v_131);
      const real v_136 = (v_131 * (p1_4 - v_133)) - v_132;
      const real v_137 = (v_131 * v_132) - (v_133 * p2_4);
      const real v_138 = signed_h_1 * 0.335480655492357;
      const real y0_11 = y0_1;
      const real k10_4 = k10_1;
      const real v_139 = y0_11 + (v_138 * (v_135 + (k10_4 * (-0.025279119238367523))));
      const real y1_11 = y1_1;
      const real k11_4 = k11_1;
      const real v_140 = y1_11 + (v_138 * (v_136 + (k11_4 * (-0.025279119238367523))));
      const real y2_11 = y2_1;
      const real k12_4 = k12_1;
      const real v_141 = y2_11 + (v_138 * (v_137 + (k12_4 * (-0.025279119238367523))));
      const double v_142 = t_1 + ((double)(signed_h_1 * 0.327));
      const real p0_5 = p0_1;
      const real p1_5 = p1_1;
      const real p2_5 = p2_1;
      const real v_143 = p0_5 * (v_140 - v_139);
      const real v_144 = (v_139 * (p1_5 - v_141)) - v_140;
      const real v_145 = (v_139 * v_140) - (v_141 * p2_5);
      const real v_146 = signed_h_1 * (-6.359448489975075);
      const real y0_12 = y0_1;
      const real k10_5 = k10_1;
      const real v_147 = y0_12 + (v_146 * ((v_135 + (k10_5 * (-0.45556671489241807))) + (v_143 * (-0.6859549911829979))));
      const real y1_12 = y1_1;
      const real k11_5 = k11_1;
      const real v_148 = y1_12 + (v_146 * ((v_136 + (k11_5 * (-0.45556671489241807))) + (v_144 * (-0.6859549911829979))));
      const real y2_12 = y2_1;
      const real k12_5 = k12_1;
      const real v_149 = y2_12 + (v_146 * ((v_137 + (k12_5 * (-0.45556671489241807))) + (v_145 * (-0.6859549911829979))));
      const double v_150 = t_1 + ((double)(signed_h_1 * 0.9));
      const real p0_6 = p0_1;
      const real p1_6 = p1_1;
      const real p2_6 = p2_1;
      const real v_151 = p0_6 * (v_148 - v_147);
      const real v_152 = (v_147 * (p1_6 - v_149)) - v_148;
      const real v_153 = (v_147 * v_148) - (v_149 * p2_6);
      const real v_154 = signed_h_1 * (-11.748883564062828);
      const real y0_13 = y0_1;
      const real k10_6 = k10_1;
      const real v_155 = ((v_135 + (k10_6 * (-0.45330816323091927))) + (v_143 * (-0.6379788600354329))) + (v_151 * 0.007872668569520656);
      const real v_156 = y0_13 + (v_154 * v_155);
      const real y1_13 = y1_1;
      const real k11_6 = k11_1;
      const real v_157 = ((v_136 + (k11_6 * (-0.45330816323091927))) + (v_144 * (-0.6379788600354329))) + (v_152 * 0.007872668569520656);
      const real v_158 = y1_13 + (v_154 * v_157);
      const real y2_13 = y2_1;
      const real k12_6 = k12_1;
      const real v_159 = ((v_137 + (k12_6 * (-0.45330816323091927))) + (v_145 * (-0.6379788600354329))) + (v_153 * 0.007872668569520656);
      const real v_160 = y2_13 + (v_154 * v_159);
      const double v_161 = t_1 + ((double)(signed_h_1 * 0.9800255409045097));
      const real p0_7 = p0_1;
      const real p1_7 = p1_1;
      const real p2_7 = p2_1;
      const real v_162 = p0_7 * (v_158 - v_156);
      const real v_163 = (v_156 * (p1_7 - v_160)) - v_158;
      const real v_164 = (v_156 * v_158) - (v_160 * p2_7);
      const real v_165 = signed_h_1 * (-12.92096931784711);
      const real y0_14 = y0_1;
      const real k10_7 = k10_1;
      const real v_166 = ((v_135 + (k10_7 * (-0.4536389878157419))) + (v_143 * (-0.63148264637592))) + (v_151 * 0.005540216954352189);
      const real v_167 = y0_14 + (v_165 * (v_166 + (v_162 * 0.002187842854407348)));
      const real y1_14 = y1_1;
      const real k11_7 = k11_1;
      const real v_168 = ((v_136 + (k11_7 * (-0.4536389878157419))) + (v_144 * (-0.63148264637592))) + (v_152 * 0.005540216954352189);
      const real v_169 = y1_14 + (v_165 * (v_168 + (v_163 * 0.002187842854407348)));
      const real y2_14 = y2_1;
      const real k12_7 = k12_1;
      const real v_170 = ((v_137 + (k12_7 * (-0.4536389878157419))) + (v_145 * (-0.63148264637592))) + (v_153 * 0.005540216954352189);
      const real v_171 = y2_14 + (v_165 * (v_170 + (v_164 * 0.002187842854407348)));
      const double v_172 = t_1 + ((double)signed_h_1);
      const real p0_8 = p0_1;
      const real p1_8 = p1_1;
      const real p2_8 = p2_1;
      const real v_173 = p0_8 * (v_169 - v_167);
      const real v_174 = (v_167 * (p1_8 - v_171)) - v_169;
      const real v_175 = (v_167 * v_169) - (v_171 * p2_8);
      const real v_176 = signed_h_1 * (-3.290069515436081);
      const real y0_15 = y0_1;
      const real k10_8 = k10_1;
      const real v_177 = ((v_162 + (k10_8 * (-0.029318762526292664))) + (v_135 * (-0.003039449456336048))) + (v_143 * (-0.14586003370536468));
      const real v_178 = y0_15 + (v_176 * ((v_177 + (v_151 * (-0.41914268608423666))) + (v_173 * (-0.7065840138613746))));
      const real y1_15 = y1_1;
      const real k11_8 = k11_1;
      const real v_179 = ((v_163 + (k11_8 * (-0.029318762526292664))) + (v_136 * (-0.003039449456336048))) + (v_144 * (-0.14586003370536468));
      const real v_180 = y1_15 + (v_176 * ((v_179 + (v_152 * (-0.41914268608423666))) + (v_174 * (-0.7065840138613746))));
      const real y2_15 = y2_1;
      const real k12_8 = k12_1;
      const real v_181 = ((v_164 + (k12_8 * (-0.029318762526292664))) + (v_137 * (-0.003039449456336048))) + (v_145 * (-0.14586003370536468));
      const real v_182 = y2_15 + (v_176 * ((v_181 + (v_153 * (-0.41914268608423666))) + (v_175 * (-0.7065840138613746))));
      const double v_183 = t_1 + ((double)signed_h_1);
      const real p0_9 = p0_1;
      const real p1_9 = p1_1;
      const real p2_9 = p2_1;
      const real v_184 = p0_9 * (v_180 - v_178);
      const real v_185 = (v_178 * (p1_9 - v_182)) - v_180;
      const real v_186 = (v_178 * v_180) - (v_182 * p2_9);
      const real v_187 = signed_h_1 * (-0.5823571654525552);
      const real y0_16 = y0_1;
      const real v_188 = fabs(y0_16);
      const real v_189 = fabs(v_178);
      const real v_190 = v_28 + (v_18 * ((v_188 > v_189) ? v_188 : v_189));
      const real y1_16 = y1_1;
      const real v_191 = fabs(y1_16);
      const real v_192 = fabs(v_180);
      const real v_193 = v_29 + (v_18 * ((v_191 > v_192) ? v_191 : v_192));
      const real y2_16 = y2_1;
      const real v_194 = fabs(y2_16);
      const real v_195 = fabs(v_182);
      const real v_196 = v_30 + (v_18 * ((v_194 > v_195) ? v_194 : v_195));
      const real k10_9 = k10_1;
      const real v_197 = ((v_162 + (k10_9 * (-0.003056562463419692))) + (v_135 * (-0.0014019479935861836))) + (v_143 * 0.013532722661938385);
      const real v_198 = ((v_197 + (v_151 * (-0.24849184616936348))) + (v_173 * (-0.7865999305996468))) + (v_184 * 0.02601756456407773);
      const real v_199 = ((v_187 * v_198) * v_193) * v_196;
      const real k11_9 = k11_1;
      const real v_200 = ((v_163 + (k11_9 * (-0.003056562463419692))) + (v_136 * (-0.0014019479935861836))) + (v_144 * 0.013532722661938385);
      const real v_201 = ((v_200 + (v_152 * (-0.24849184616936348))) + (v_174 * (-0.7865999305996468))) + (v_185 * 0.02601756456407773);
      const real v_202 = ((v_187 * v_201) * v_190) * v_196;
      const real k12_9 = k12_1;
      const real v_203 = ((v_164 + (k12_9 * (-0.003056562463419692))) + (v_137 * (-0.0014019479935861836))) + (v_145 * 0.013532722661938385);
      const real v_204 = ((v_203 + (v_153 * (-0.24849184616936348))) + (v_175 * (-0.7865999305996468))) + (v_186 * 0.02601756456407773);
      const real v_205 = ((v_187 * v_204) * v_190) * v_193;
      const real v_206 = (v_190 * v_193) * v_196;
      const real mean_square_1 = ((((v_199 * v_199) + (v_202 * v_202)) + (v_205 * v_205)) / (v_206 * v_206)) * 0.3333333333333333;
      checked_square_1 = mean_square_1;
      const bool v_207 = mean_square_1 < __longlong_as_double(0x7ff0000000000000);
      if ((!v_207)) {
        const real k10_10 = k10_1;
        const real v_208 = ((v_162 + (k10_10 * (-0.003056562463419692))) + (v_135 * (-0.0014019479935861836))) + (v_143 * 0.013532722661938385);
        const real v_209 = ((v_208 + (v_151 * (-0.24849184616936348))) + (v_173 * (-0.7865999305996468))) + (v_184 * 0.02601756456407773);
        const real y0_17 = y0_1;
        const real v_210 = fabs(y0_17);
        const real v_211 = fabs(v_178);
        const real v_212 = (v_187 * v_209) / (v_28 + (v_18 * ((v_210 > v_211) ? v_210 : v_211)));
        const real k11_10 = k11_1;
        const real v_213 = ((v_163 + (k11_10 * (-0.003056562463419692))) + (v_136 * (-0.0014019479935861836))) + (v_144 * 0.013532722661938385);
        const real v_214 = ((v_213 + (v_152 * (-0.24849184616936348))) + (v_174 * (-0.7865999305996468))) + (v_185 * 0.02601756456407773);
        const real y1_17 = y1_1;
        const real v_215 = fabs(y1_17);
        const real v_216 = fabs(v_180);
        const real v_217 = (v_187 * v_214) / (v_29 + (v_18 * ((v_215 > v_216) ? v_215 : v_216)));
        const real k12_10 = k12_1;
        const real v_218 = ((v_164 + (k12_10 * (-0.003056562463419692))) + (v_137 * (-0.0014019479935861836))) + (v_145 * 0.013532722661938385);
        const real v_219 = ((v_218 + (v_153 * (-0.24849184616936348))) + (v_175 * (-0.7865999305996468))) + (v_186 * 0.02601756456407773);
        const real y2_17 = y2_1;
        const real v_220 = fabs(y2_17);
        const real v_221 = fabs(v_182);
        const real v_222 = (v_187 * v_219) / (v_30 + (v_18 * ((v_220 > v_221) ? v_220 : v_221)));
        const real v_223 = v_207 ? mean_square_1 : ((((v_212 * v_212) + (v_217 * v_217)) + (v_222 * v_222)) * 0.3333333333333333);
        checked_square_1 = v_223;
      }
      const real checked_square_2 = checked_square_1;
      const bool accepted_1 = checked_square_2 <= 1.0;
      const real square_3 = square_1;
      square_1 = (accepted_1 ? square_3 : checked_square_2);
      const double v_224 = v_129 ? span_6 : (elapsed_7 + ((double)h_1));
      const double due_3 = due_1;
      if ((accepted_1 && (due_3 <= v_224))) {
        for (;;) {
          const double due_4 = due_1;
          const bool v_225 = accepted_1 && (due_4 <= v_224);
          if (!v_225) break;
          const real v_226 = ((real)(due_4 - elapsed_7)) / h_1;
          const bool v_227 = due_4 < v_224;
          const real v_228 = v_226 * ((v_226 * ((v_226 * (-1.0530884977290216)) + 2.9132554618219126)) + (-2.763706197274826));
          const real v_229 = v_226 * (v_228 + 1.0);
          const real v_230 = v_226 * (v_226 * ((v_226 * ((v_226 * 0.1017) + (-0.2234))) + 0.1317));
          const real v_231 = v_226 * ((v_226 * ((v_226 * 2.490627285651253) + (-5.941033872131505))) + 3.9302962368947516);
          const real v_232 = v_226 * v_231;
          const real v_233 = v_226 * ((v_226 * ((v_226 * (-16.548102889244902)) + 30.33818863028232)) + (-12.411077166933676));
          const real v_234 = v_226 * v_233;
          const real v_235 = v_226 * ((v_226 * ((v_226 * 47.37952196281928) + (-88.1789048947664))) + 37.50931341651104);
          const real v_236 = v_226 * v_235;
          const real v_237 = v_226 * ((v_226 * ((v_226 * (-34.87065786149661)) + 65.09189467479366)) + (-27.896526289197286));
          const real v_238 = v_226 * v_237;
          const real v_239 = v_226 * (v_226 * ((v_226 * ((v_226 * 2.5) + (-4.0))) + 1.5));
          const real k10_11 = k10_1;
          const real v_240 = ((((v_229 * k10_11) + (v_230 * v_135)) + (v_232 * v_143)) + (v_234 * v_151)) + (v_236 * v_162);
          const real y0_18 = y0_1;
          const real k11_11 = k11_1;
          const real v_241 = ((((v_229 * k11_11) + (v_230 * v_136)) + (v_232 * v_144)) + (v_234 * v_152)) + (v_236 * v_163);
          const real y1_18 = y1_1;
          const real k12_11 = k12_1;
          const real v_242 = ((((v_229 * k12_11) + (v_230 * v_137)) + (v_232 * v_145)) + (v_234 * v_153)) + (v_236 * v_164);
          const real y2_18 = y2_1;
          const double start_8 = start_1;
          const double v_243 = start_8 + (v_1 * due_4);
          const integer saved_7 = saved_1;
          if (v_225) {
            const integer run_8 = run_1;
            const integer v_244 = strides[1];
            const integer v_245 = strides[2];
            const integer v_246 = (run_8 * v_244) + (saved_7 * v_245);
            const integer v_247 = strides[3];
            states[v_246] = (v_227 ? (y0_18 + (signed_h_1 * ((v_240 + (v_238 * v_173)) + (v_239 * v_184)))) : v_178);
            states[(v_246 + v_247)] = (v_227 ? (y1_18 + (signed_h_1 * ((v_241 + (v_238 * v_174)) + (v_239 * v_185)))) : v_180);
            states[(v_246 + (2 * v_247))] = (v_227 ? (y2_18 + (signed_h_1 * ((v_242 + (v_238 * v_175)) + (v_239 * v_186)))) : v_182);
            const integer saved_8 = saved_1;
            saved_1 = (saved_8 + 1);
            const integer saved_9 = saved_1;
            const integer run_9 = run_1;
            const double v_248 = save_times[(((first + run_9) * save_step) + saved_9)];
            due_1 = v_248;
          }
        }
      }
      const real y0_19 = y0_1;
      y0_1 = (accepted_1 ? v_178 : y0_19);
      const real k10_12 = k10_1;
      k10_1 = (accepted_1 ? v_184 : k10_12);
      const real y1_19 = y1_1;
      y1_1 = (accepted_1 ? v_180 : y1_19);
      const real k11_12 = k11_1;
      k11_1 = (accepted_1 ? v_185 : k11_12);
      const real y2_19 = y2_1;
      y2_1 = (accepted_1 ? v_182 : y2_19);
      const real k12_12 = k12_1;
      k12_1 = (accepted_1 ? v_186 : k12_12);
      const double v_249 = accepted_1 ? v_224 : elapsed_7;
      elapsed_1 = v_249;
      const float v_250 = (float)((checked_square_2 < 1000000000000.0) ? checked_square_2 : 1000000000000.0);
      const float v_251 = quick_log2(((v_250 > 1e-12f) ? v_250 : 1e-12f));
      const float error_before_2 = error_before_1;
      const float error_earlier_2 = error_earlier_1;
      const float size_change_2 = size_change_1;
      const float v_252 = v_31 - ((((float)v_11) * 0.5f) * v_251);
      const float v_253 = (((((float)v_8) * 0.5f) * error_before_2) + ((((float)v_9) * 0.5f) * error_earlier_2)) - (((float)v_10) * size_change_2);
      const float v_254 = (v_31 - ((((float)v_7) * 0.5f) * v_251)) - v_253;
      const float v_255 = v_252 + ((float)v_12);
      const float v_256 = accepted_1 ? ((v_254 < v_255) ? v_254 : v_255) : v_252;
      const float most_growing_2 = most_growing_1;
      const float v_257 = (v_256 < most_growing_2) ? v_256 : most_growing_2;
      const float v_258 = (v_257 > v_32) ? v_257 : v_32;
      error_before_1 = (accepted_1 ? v_251 : error_before_2);
      error_earlier_1 = (accepted_1 ? error_before_2 : error_earlier_2);
      size_change_1 = (v_258 + (accepted_1 ? 0.0f : size_change_2));
      most_growing_1 = (accepted_1 ? v_33 : 0.0f);
      const real v_259 = h_1 * ((real)(quick_exp2(v_258)));
      const real v_260 = (v_259 < v_17) ? v_259 : v_17;
      size_1 = v_260;
      const real least_4 = least_1;
      attention_1 = ((v_249 >= span_6) || (v_260 < least_4));
      const integer attempts_6 = attempts_1;
      const integer v_261 = attempts_6 + 1;
      attempts_1 = v_261;
      if ((v_261 & 63) == 0) {
        const integer v_262 = stop[0];
        if (v_262 != 0) return;
        const double elapsed_8 = elapsed_1;
        const double start_9 = start_1;
        const real v_263 = (fabs(((real)(start_9 + (v_1 * elapsed_8))))) * 3.552713678800501e-15;
        const real floor_3 = floor_1;
        least_1 = ((floor_3 > v_263) ? floor_3 : v_263);
      }
      const bool attention_3 = attention_1;
      const integer deadline_5 = deadline_1;
      if (attention_3 || (v_261 >= deadline_5)) break;
    }
  }
}
