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
__device__ __forceinline__ float apart(float x, float y) { return __fadd_rn(x, y); }
__device__ __forceinline__ double apart(double x, double y) { return __dadd_rn(x, y); }
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
  volatile integer looks_1[5];
  volatile double paces_1[2];
  real probed_1[3];
  real probe_1[3];
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
  const real v_17 = (real)v_3;
  const real v_18 = (real)v_4;
  const real v_19 = (real)v_5;
  const real v_20 = (real)v_6;
  const real v_21 = (real)v_7;
  const real v_22 = (real)v_8;
  const real v_23 = (real)v_9;
  const real v_24 = (real)v_10;
  const real v_25 = (real)v_11;
  const real v_26 = (real)v_12;
  const real v_27 = (real)v_13;
  const real v_28 = (real)v_14;
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
  const real v_29 = atol[0];
  const real v_30 = atol[1];
  const real v_31 = atol[2];
  const float v_32 = (float)v_6;
  const float v_33 = (float)v_13;
  const float v_34 = (float)v_14;
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
  looks_1[0] = 4611686018427387904LL;
  for (;;) {
    const integer attempts_2 = attempts_1;
    const integer deadline_2 = deadline_1;
    const bool v_35 = attempts_2 >= deadline_2;
    if (v_35) {
      deadline_1 = 4611686018427387904LL;
    }
    fresh_1 = false;
    const bool attention_2 = attention_1;
    if (attention_2 || v_35) {
      const integer attempts_3 = attempts_1;
      const integer started_2 = started_1;
      const real square_2 = square_1;
      const real size_2 = size_1;
      const real least_2 = least_1;
      const integer v_36 = (size_2 < least_2) ? ((square_2 < 1e+37) ? 1 : 2) : (((attempts_3 - started_2) >= most_attempts) ? 3 : -1);
      const double elapsed_2 = elapsed_1;
      const double span_2 = span_1;
      outcome_1 = ((elapsed_2 >= span_2) ? 0 : v_36);
      const integer attempts_4 = attempts_1;
      const integer v_37 = looks_1[0];
      const integer outcome_2 = outcome_1;
      if ((attempts_4 >= v_37) || (outcome_2 == 1)) {
        const integer attempts_5 = attempts_1;
        const double elapsed_3 = elapsed_1;
        const integer started_3 = started_1;
        const integer v_38 = started_3 + most_attempts;
        {
          const double start_2 = start_1;
          const double v_39 = start_2 + (v_1 * elapsed_3);
          const real y0_2 = y0_1;
          const real v_40 = v_29 + (v_19 * (fabs(y0_2)));
          const real v_41 = (real)(1.0f / ((float)v_40));
          const real k10_2 = k10_1;
          const real v_42 = k10_2 * v_41;
          const real y1_2 = y1_1;
          const real v_43 = v_30 + (v_19 * (fabs(y1_2)));
          const real v_44 = (real)(1.0f / ((float)v_43));
          const real k11_2 = k11_1;
          const real v_45 = k11_2 * v_44;
          const real y2_2 = y2_1;
          const real v_46 = v_31 + (v_19 * (fabs(y2_2)));
          const real v_47 = (real)(1.0f / ((float)v_46));
          const real k12_2 = k12_1;
          const real v_48 = k12_2 * v_47;
          probed_1[1] = (((v_42 * v_42) + (v_45 * v_45)) + (v_48 * v_48));
          probe_1[0] = (-4.75);
          probe_1[1] = 2.25;
          probe_1[2] = (-1.75);
          probed_1[2] = 30.6875;
          probed_1[0] = __longlong_as_double(0x7ff0000000000000);
          #pragma unroll 1
          for (integer turn_1 = 0; turn_1 < 24; ++turn_1) {
            const real v_49 = probed_1[2];
            const real v_50 = (real)(1.0f / (sqrt(((float)v_49))));
            const real v_51 = ((turn_1 & 1) == 0) ? v_50 : (-v_50);
            const real v_52 = probe_1[0];
            const real v_53 = probe_1[1];
            const real v_54 = probe_1[2];
            const real y0_3 = y0_1;
            const real v_55 = y0_3 + (v_51 * (v_40 * v_52));
            const real y1_3 = y1_1;
            const real v_56 = y1_3 + (v_51 * (v_43 * v_53));
            const real y2_3 = y2_1;
            const real v_57 = y2_3 + (v_51 * (v_46 * v_54));
            const real p0_2 = p0_1;
            const real p1_2 = p1_1;
            const real p2_2 = p2_1;
            const real k10_3 = k10_1;
            const real v_58 = ((p0_2 * (v_56 - v_55)) - k10_3) * v_41;
            const real k11_3 = k11_1;
            const real v_59 = (((v_55 * (p1_2 - v_57)) - v_56) - k11_3) * v_44;
            const real k12_3 = k12_1;
            const real v_60 = (((v_55 * v_56) - (v_57 * p2_2)) - k12_3) * v_47;
            const real v_61 = probed_1[0];
            const real v_62 = (turn_1 < 20) ? __longlong_as_double(0x7ff0000000000000) : (smaller(v_61, (((((v_52 * v_58) + (v_53 * v_59)) + (v_54 * v_60)) * (-v_51)) * v_15)));
            probed_1[0] = v_62;
            probe_1[0] = v_58;
            probe_1[1] = v_59;
            probe_1[2] = v_60;
            probed_1[2] = (((v_58 * v_58) + (v_59 * v_59)) + (v_60 * v_60));
          }
          const double span_3 = span_1;
          const real size_3 = size_1;
          const integer outcome_3 = outcome_1;
          const double v_63 = paces_1[0];
          const double v_64 = elapsed_3 - v_63;
          const integer v_65 = looks_1[1];
          const double v_66 = (double)(attempts_5 - v_65);
          const bool v_67 = outcome_3 == 1;
          const double v_68 = v_67 ? (((double)size_3) * v_66) : v_64;
          const real v_69 = probed_1[0];
          const real v_70 = probed_1[1];
          const bool v_71 = ((((double)v_69) * v_68) >= (v_66 * 1.5780811472122287)) && ((((((double)v_70) * (v_68 * v_5)) * v_68) * v_5) <= ((v_66 * v_66) * 0.0027));
          const integer v_72 = looks_1[2];
          const bool v_73 = v_71 || (v_72 != 0);
          const integer v_74 = looks_1[4];
          const double span_4 = span_1;
          const double v_75 = ((v_74 != 0) ? span_4 : span_3) - elapsed_3;
          const double v_76 = paces_1[1];
          const double v_77 = v_64 - v_76;
          const double v_78 = (((v_64 * v_64) + (((v_77 > 0.0) ? v_77 : 0.0) * v_75)) * ((double)(v_38 - attempts_5))) * 10.0;
          const integer v_79 = looks_1[3];
          const integer v_80 = (v_73 && (((v_75 * v_66) * v_64) > v_78)) ? (v_79 + 1) : 0;
          const integer v_81 = (v_73 && ((((outcome_3 == -1) && (v_80 >= 4)) || v_67) || (outcome_3 == 3))) ? 4 : outcome_3;
          outcome_1 = v_81;
          looks_1[2] = ((integer)v_71);
          looks_1[4] = 0;
          looks_1[3] = v_80;
          looks_1[1] = attempts_5;
          paces_1[0] = elapsed_3;
          paces_1[1] = v_64;
          const integer v_82 = most_attempts / 64;
          const integer v_83 = (v_82 > 1024) ? v_82 : 1024;
          const integer v_84 = looks_1[1];
          const integer v_85 = v_84 + v_83;
          looks_1[0] = (((v_38 - v_85) < v_83) ? v_38 : v_85);
        }
      }
      const integer outcome_4 = outcome_1;
      const bool v_86 = outcome_4 != -1;
      if (!v_86) {
        const integer deadline_3 = deadline_1;
        const integer v_87 = looks_1[0];
        deadline_1 = ((deadline_3 < v_87) ? deadline_3 : v_87);
      }
      if (v_86) {
        const integer outcome_5 = outcome_1;
        const integer run_2 = run_1;
        if (run_2 >= 0) {
          const integer saved_2 = saved_1;
          const integer attempts_6 = attempts_1;
          const integer started_4 = started_1;
          const integer v_88 = attempts_6 - started_4;
          const integer run_3 = run_1;
          status[run_3] = outcome_5;
          const bool v_89 = outcome_5 == 0;
          const double span_5 = span_1;
          const double start_3 = start_1;
          const double v_90 = start_3 + (v_1 * span_5);
          left_1 = saved_2;
          for (;;) {
            const integer left_2 = left_1;
            if (left_2 >= save_count) break;
            const integer left_3 = left_1;
            const integer v_91 = strides[1];
            const integer v_92 = strides[2];
            const integer v_93 = (run_3 * v_91) + (left_3 * v_92);
            const integer v_94 = strides[3];
            states[v_93] = __longlong_as_double(0x7ff8000000000000);
            states[(v_93 + v_94)] = __longlong_as_double(0x7ff8000000000000);
            states[(v_93 + (2 * v_94))] = __longlong_as_double(0x7ff8000000000000);
            const integer left_4 = left_1;
            left_1 = (left_4 + 1);
          }
          const integer v_95 = strides[0];
          if (v_95 != 0) {
            const integer v_96 = strides[4];
            const integer v_97 = run_3 * v_96;
            const integer v_98 = strides[5];
            const real y0_4 = y0_1;
            final[v_97] = (v_89 ? y0_4 : __longlong_as_double(0x7ff8000000000000));
            const real y1_4 = y1_1;
            final[(v_97 + v_98)] = (v_89 ? y1_4 : __longlong_as_double(0x7ff8000000000000));
            const real y2_4 = y2_1;
            final[(v_97 + (2 * v_98))] = (v_89 ? y2_4 : __longlong_as_double(0x7ff8000000000000));
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
        looks_1[0] = 4611686018427387904LL;
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
          const integer v_99 = sources[0];
          const integer v_100 = sources[1];
          const integer v_101 = sources[2];
          const integer v_102 = sources[3];
          place_1 = (v_99 + (v_100 * waiting_3));
          if (v_101 > 0) {
            place_1 = (v_99 + (((first + waiting_3) / v_101) % v_102));
          }
          const integer place_2 = place_1;
          const real v_103 = values[place_2];
          y0_1 = v_103;
          const integer v_104 = sources[4];
          const integer v_105 = sources[5];
          const integer v_106 = sources[6];
          const integer v_107 = sources[7];
          place_3 = (v_104 + (v_105 * waiting_3));
          if (v_106 > 0) {
            place_3 = (v_104 + (((first + waiting_3) / v_106) % v_107));
          }
          const integer place_4 = place_3;
          const real v_108 = values[place_4];
          y1_1 = v_108;
          const integer v_109 = sources[8];
          const integer v_110 = sources[9];
          const integer v_111 = sources[10];
          const integer v_112 = sources[11];
          place_5 = (v_109 + (v_110 * waiting_3));
          if (v_111 > 0) {
            place_5 = (v_109 + (((first + waiting_3) / v_111) % v_112));
          }
          const integer place_6 = place_5;
          const real v_113 = values[place_6];
          y2_1 = v_113;
          const integer v_114 = sources[12];
          const integer v_115 = sources[13];
          const integer v_116 = sources[14];
          const integer v_117 = sources[15];
          place_7 = (v_114 + (v_115 * waiting_3));
          if (v_116 > 0) {
            place_7 = (v_114 + (((first + waiting_3) / v_116) % v_117));
          }
          const integer place_8 = place_7;
          const real v_118 = values[place_8];
          p0_1 = v_118;
          const integer v_119 = sources[16];
          const integer v_120 = sources[17];
          const integer v_121 = sources[18];
          const integer v_122 = sources[19];
          place_9 = (v_119 + (v_120 * waiting_3));
          if (v_121 > 0) {
            place_9 = (v_119 + (((first + waiting_3) / v_121) % v_122));
          }
          const integer place_10 = place_9;
          const real v_123 = values[place_10];
          p1_1 = v_123;
          const integer v_124 = sources[20];
          const integer v_125 = sources[21];
          const integer v_126 = sources[22];
          const integer v_127 = sources[23];
          place_11 = (v_124 + (v_125 * waiting_3));
          if (v_126 > 0) {
            place_11 = (v_124 + (((first + waiting_3) / v_126) % v_127));
          }
          const integer place_12 = place_11;
          const real v_128 = values[place_12];
          p2_1 = v_128;
          const integer run_4 = run_1;
          const integer v_129 = (first + run_4) * span_step;
          const double v_130 = spans[v_129];
          const double v_131 = spans[(v_129 + 1)];
          start_1 = v_130;
          span_1 = (fabs((v_131 - v_130)));
          const real v_132 = (real)((fabs(v_130)) * 1.7763568394002505e-15);
          floor_1 = ((v_132 > v_17) ? v_132 : v_17);
          elapsed_1 = 0.0;
          square_1 = 0.0;
          const integer attempts_7 = attempts_1;
          started_1 = attempts_7;
          looks_1[1] = attempts_7;
          looks_1[2] = 0;
          paces_1[0] = 0.0;
          paces_1[1] = 0.0;
          looks_1[3] = 0;
          looks_1[4] = 0;
          const integer v_133 = attempts_7 + most_attempts;
          const integer v_134 = most_attempts / 64;
          const integer v_135 = (v_134 > 1024) ? v_134 : 1024;
          const integer v_136 = looks_1[1];
          const integer v_137 = v_136 + v_135;
          looks_1[0] = (((v_133 - v_137) < v_135) ? v_133 : v_137);
          const integer deadline_4 = deadline_1;
          const integer v_138 = looks_1[0];
          deadline_1 = ((deadline_4 < v_138) ? deadline_4 : v_138);
          saved_1 = 0;
          const integer saved_3 = saved_1;
          const integer run_5 = run_1;
          const double v_139 = save_times[(((first + run_5) * save_step) + saved_3)];
          due_1 = v_139;
          error_before_1 = 0.0f;
          error_earlier_1 = 0.0f;
          size_change_1 = 0.0f;
          most_growing_1 = v_34;
          fresh_1 = true;
          const double elapsed_4 = elapsed_1;
          const double start_4 = start_1;
          const double v_140 = start_4 + (v_1 * elapsed_4);
          const real y0_5 = y0_1;
          const real y1_5 = y1_1;
          const real y2_5 = y2_1;
          const real p0_3 = p0_1;
          const real p1_3 = p1_1;
          const real p2_3 = p2_1;
          const real v_141 = p0_3 * (y1_5 - y0_5);
          const real v_142 = (y0_5 * (p1_3 - y2_5)) - y1_5;
          const real v_143 = (y0_5 * y1_5) - (y2_5 * p2_3);
          const real k10_4 = k10_1;
          k10_1 = v_141;
          const real k11_4 = k11_1;
          k11_1 = v_142;
          const real k12_4 = k12_1;
          k12_1 = v_143;
          const double elapsed_5 = elapsed_1;
          const double start_5 = start_1;
          const real v_144 = (fabs(((real)(start_5 + (v_1 * elapsed_5))))) * 3.552713678800501e-15;
          const real floor_2 = floor_1;
          const real v_145 = (floor_2 > v_144) ? floor_2 : v_144;
          const real y0_6 = y0_1;
          const real y0_7 = y0_1;
          const real v_146 = (fabs(y0_6)) / (v_29 + (v_19 * (fabs(y0_7))));
          const real v_147 = (1.0 > v_146) ? 1.0 : v_146;
          const real y1_6 = y1_1;
          const real y1_7 = y1_1;
          const real v_148 = (fabs(y1_6)) / (v_30 + (v_19 * (fabs(y1_7))));
          const real v_149 = (v_147 > v_148) ? v_147 : v_148;
          const real y2_6 = y2_1;
          const real y2_7 = y2_1;
          const real v_150 = (fabs(y2_6)) / (v_31 + (v_19 * (fabs(y2_7))));
          const real y0_8 = y0_1;
          const real v_151 = (fabs(v_141)) / (v_29 + (v_19 * (fabs(y0_8))));
          const real v_152 = (1e-37 > v_151) ? 1e-37 : v_151;
          const real y1_8 = y1_1;
          const real v_153 = (fabs(v_142)) / (v_30 + (v_19 * (fabs(y1_8))));
          const real v_154 = (v_152 > v_153) ? v_152 : v_153;
          const real y2_8 = y2_1;
          const real v_155 = (fabs(v_143)) / (v_31 + (v_19 * (fabs(y2_8))));
          const real v_156 = (v_154 > v_155) ? v_154 : v_155;
          const double span_6 = span_1;
          const double elapsed_6 = elapsed_1;
          const real v_157 = ((real)(span_6 - elapsed_6)) * 0.1;
          const real v_158 = (v_157 < v_18) ? v_157 : v_18;
          const real v_159 = (((v_149 > v_150) ? v_149 : v_150) * 0.01) / v_156;
          const real v_160 = (v_159 < v_158) ? v_159 : v_158;
          const real v_161 = v_160 * v_15;
          const real y0_9 = y0_1;
          const real v_162 = y0_9 + (v_161 * v_141);
          const real y1_9 = y1_1;
          const real v_163 = y1_9 + (v_161 * v_142);
          const real y2_9 = y2_1;
          const real v_164 = y2_9 + (v_161 * v_143);
          const double elapsed_7 = elapsed_1;
          const double start_6 = start_1;
          const double v_165 = start_6 + (v_1 * (elapsed_7 + ((double)v_160)));
          const real p0_4 = p0_1;
          const real p1_4 = p1_1;
          const real p2_4 = p2_1;
          const real y0_10 = y0_1;
          const real v_166 = (fabs(((p0_4 * (v_163 - v_162)) - v_141))) / (v_29 + (v_19 * (fabs(y0_10))));
          const real v_167 = (0.0 > v_166) ? 0.0 : v_166;
          const real y1_10 = y1_1;
          const real v_168 = (fabs((((v_162 * (p1_4 - v_164)) - v_163) - v_142))) / (v_30 + (v_19 * (fabs(y1_10))));
          const real v_169 = (v_167 > v_168) ? v_167 : v_168;
          const real y2_10 = y2_1;
          const real v_170 = (fabs((((v_162 * v_163) - (v_164 * p2_4)) - v_143))) / (v_31 + (v_19 * (fabs(y2_10))));
          const real v_171 = ((v_169 > v_170) ? v_169 : v_170) / v_160;
          const real v_172 = 0.01 / ((v_171 > v_156) ? v_171 : v_156);
          const float v_173 = (float)((v_172 < 1e+30) ? v_172 : 1e+30);
          const float v_174 = quick_exp2(((quick_log2(((v_173 > 9.999999999999999e-31f) ? v_173 : 9.999999999999999e-31f))) * 0.2f));
          const real v_175 = (real)v_174;
          const real v_176 = v_160 * 100.0;
          const real v_177 = (v_175 < v_176) ? v_175 : v_176;
          const real v_178 = (v_16 > 0.0) ? ((v_16 < v_18) ? v_16 : v_18) : ((v_177 < v_158) ? v_177 : v_158);
          const real size_4 = size_1;
          size_1 = ((v_178 > v_145) ? v_178 : v_145);
          const real least_3 = least_1;
          least_1 = v_145;
          const double span_7 = span_1;
          attention_1 = (span_7 <= 0.0);
        }
      }
    }
    const bool fresh_2 = fresh_1;
    const double due_2 = due_1;
    const bool v_179 = fresh_2 && (due_2 <= 0.0);
    if (v_179) {
      const double start_7 = start_1;
      const integer saved_4 = saved_1;
      if (v_179) {
        const integer run_6 = run_1;
        const integer v_180 = strides[1];
        const integer v_181 = strides[2];
        const integer v_182 = (run_6 * v_180) + (saved_4 * v_181);
        const integer v_183 = strides[3];
        const real y0_11 = y0_1;
        states[v_182] = y0_11;
        const real y1_11 = y1_1;
        states[(v_182 + v_183)] = y1_11;
        const real y2_11 = y2_1;
        states[(v_182 + (2 * v_183))] = y2_11;
        const integer saved_5 = saved_1;
        saved_1 = (saved_5 + 1);
        const integer saved_6 = saved_1;
        const integer run_7 = run_1;
        const double v_184 = save_times[(((first + run_7) * save_step) + saved_6)];
        due_1 = v_184;
      }
    }
    const integer running_4 = running_1;
    if (running_4 == 0) break;
    for (;;) {
      const double elapsed_8 = elapsed_1;
      const double span_8 = span_1;
      const real size_5 = size_1;
      const double remaining_1 = span_8 - elapsed_8;
      const bool v_185 = ((double)size_5) >= remaining_1;
      const real h_1 = v_185 ? ((real)remaining_1) : size_5;
      const double start_8 = start_1;
      const double t_1 = start_8 + (v_1 * elapsed_8);
      const real signed_h_1 = h_1 * v_15;
      const real v_186 = signed_h_1 * 0.161;
      const real y0_12 = y0_1;
      const real k10_5 = k10_1;
      const real v_187 = y0_12 + (v_186 * k10_5);
      const real y1_12 = y1_1;
      const real k11_5 = k11_1;
      const real v_188 = y1_12 + (v_186 * k11_5);
      const real y2_12 = y2_1;
      const real k12_5 = k12_1;
      const real v_189 = y2_12 + (v_186 * k12_5);
      const double v_190 = t_1 + ((double)(signed_h_1 * 0.161));
      const real p0_5 = p0_1;
      const real p1_5 = p1_1;
      const real p2_5 = p2_1;
      const real v_191 = p0_5 * (v_188 - v_187);
      const real v_192 = (v_187 * (p1_5 - v_189)) - v_188;
      const real v_193 = (v_187 * v_188) - (v_189 * p2_5);
      const real v_194 = signed_h_1 * 0.335480655492357;
      const real y0_13 = y0_1;
      const real k10_6 = k10_1;
      const real v_195 = y0_13 + (v_194 * (fma(k10_6, (-0.025279119238367523), v_191)));
      const real y1_13 = y1_1;
      const real k11_6 = k11_1;
      const real v_196 = y1_13 + (v_194 * (fma(k11_6, (-0.025279119238367523), v_192)));
      const real y2_13 = y2_1;
      const real k12_6 = k12_1;
      const real v_197 = y2_13 + (v_194 * (fma(k12_6, (-0.025279119238367523), v_193)));
      const double v_198 = t_1 + ((double)(signed_h_1 * 0.327));
      const real p0_6 = p0_1;
      const real p1_6 = p1_1;
      const real p2_6 = p2_1;
      const real v_199 = p0_6 * (v_196 - v_195);
      const real v_200 = (v_195 * (p1_6 - v_197)) - v_196;
      const real v_201 = (v_195 * v_196) - (v_197 * p2_6);
      const real v_202 = signed_h_1 * (-6.359448489975075);
      const real y0_14 = y0_1;
      const real k10_7 = k10_1;
      const real v_203 = y0_14 + (v_202 * (fma(v_199, (-0.6859549911829979), (fma(k10_7, (-0.45556671489241807), v_191)))));
      const real y1_14 = y1_1;
      const real k11_7 = k11_1;
      const real v_204 = y1_14 + (v_202 * (fma(v_200, (-0.6859549911829979), (fma(k11_7, (-0.45556671489241807), v_192)))));
      const real y2_14 = y2_1;
      const real k12_7 = k12_1;
      const real v_205 = y2_14 + (v_202 * (fma(v_201, (-0.6859549911829979), (fma(k12_7, (-0.45556671489241807), v_193)))));
      const double v_206 = t_1 + ((double)(signed_h_1 * 0.9));
      const real p0_7 = p0_1;
      const real p1_7 = p1_1;
      const real p2_7 = p2_1;
      const real v_207 = p0_7 * (v_204 - v_203);
      const real v_208 = (v_203 * (p1_7 - v_205)) - v_204;
      const real v_209 = (v_203 * v_204) - (v_205 * p2_7);
      const real v_210 = signed_h_1 * (-11.748883564062828);
      const real y0_15 = y0_1;
      const real k10_8 = k10_1;
      const real v_211 = fma(v_207, 0.007872668569520656, (fma(v_199, (-0.6379788600354329), (fma(k10_8, (-0.45330816323091927), v_191)))));
      const real v_212 = y0_15 + (v_210 * v_211);
      const real y1_15 = y1_1;
      const real k11_8 = k11_1;
      const real v_213 = fma(v_208, 0.007872668569520656, (fma(v_200, (-0.6379788600354329), (fma(k11_8, (-0.45330816323091927), v_192)))));
      const real v_214 = y1_15 + (v_210 * v_213);
      const real y2_15 = y2_1;
      const real k12_8 = k12_1;
      const real v_215 = fma(v_209, 0.007872668569520656, (fma(v_201, (-0.6379788600354329), (fma(k12_8, (-0.45330816323091927), v_193)))));
      const real v_216 = y2_15 + (v_210 * v_215);
      const double v_217 = t_1 + ((double)(signed_h_1 * 0.9800255409045097));
      const real p0_8 = p0_1;
      const real p1_8 = p1_1;
      const real p2_8 = p2_1;
      const real v_218 = p0_8 * (v_214 - v_212);
      const real v_219 = (v_212 * (p1_8 - v_216)) - v_214;
      const real v_220 = (v_212 * v_214) - (v_216 * p2_8);
      const real v_221 = signed_h_1 * (-12.92096931784711);
      const real y0_16 = y0_1;
      const real k10_9 = k10_1;
      const real v_222 = fma(v_207, 0.005540216954352189, (fma(v_199, (-0.63148264637592), (fma(k10_9, (-0.4536389878157419), v_191)))));
      const real v_223 = y0_16 + (v_221 * (fma(v_218, 0.002187842854407348, v_222)));
      const real y1_16 = y1_1;
      const real k11_9 = k11_1;
      const real v_224 = fma(v_208, 0.005540216954352189, (fma(v_200, (-0.63148264637592), (fma(k11_9, (-0.4536389878157419), v_192)))));
      const real v_225 = y1_16 + (v_221 * (fma(v_219, 0.002187842854407348, v_224)));
      const real y2_16 = y2_1;
      const real k12_9 = k12_1;
      const real v_226 = fma(v_209, 0.005540216954352189, (fma(v_201, (-0.63148264637592), (fma(k12_9, (-0.4536389878157419), v_193)))));
      const real v_227 = y2_16 + (v_221 * (fma(v_220, 0.002187842854407348, v_226)));
      const double v_228 = t_1 + ((double)signed_h_1);
      const real p0_9 = p0_1;
      const real p1_9 = p1_1;
      const real p2_9 = p2_1;
      const real v_229 = p0_9 * (v_225 - v_223);
      const real v_230 = (v_223 * (p1_9 - v_227)) - v_225;
      const real v_231 = (v_223 * v_225) - (v_227 * p2_9);
      const real v_232 = signed_h_1 * (-3.290069515436081);
      const real y0_17 = y0_1;
      const real k10_10 = k10_1;
      const real v_233 = fma(v_199, (-0.14586003370536468), (fma(v_191, (-0.003039449456336048), (fma(k10_10, (-0.029318762526292664), v_218)))));
      const real v_234 = y0_17 + (v_232 * (fma(v_229, (-0.7065840138613746), (fma(v_207, (-0.41914268608423666), v_233)))));
      const real y1_17 = y1_1;
      const real k11_10 = k11_1;
      const real v_235 = fma(v_200, (-0.14586003370536468), (fma(v_192, (-0.003039449456336048), (fma(k11_10, (-0.029318762526292664), v_219)))));
      const real v_236 = y1_17 + (v_232 * (fma(v_230, (-0.7065840138613746), (fma(v_208, (-0.41914268608423666), v_235)))));
      const real y2_17 = y2_1;
      const real k12_10 = k12_1;
      const real v_237 = fma(v_201, (-0.14586003370536468), (fma(v_193, (-0.003039449456336048), (fma(k12_10, (-0.029318762526292664), v_220)))));
      const real v_238 = y2_17 + (v_232 * (fma(v_231, (-0.7065840138613746), (fma(v_209, (-0.41914268608423666), v_237)))));
      const double v_239 = t_1 + ((double)signed_h_1);
      const real p0_10 = p0_1;
      const real p1_10 = p1_1;
      const real p2_10 = p2_1;
      const real v_240 = p0_10 * (v_236 - v_234);
      const real v_241 = (v_234 * (p1_10 - v_238)) - v_236;
      const real v_242 = (v_234 * v_236) - (v_238 * p2_10);
      const real v_243 = signed_h_1 * (-0.5823571654525552);
      const real y0_18 = y0_1;
      const real v_244 = fabs(y0_18);
      const real v_245 = fabs(v_234);
      const real v_246 = v_29 + (v_19 * ((v_244 > v_245) ? v_244 : v_245));
      const real y1_18 = y1_1;
      const real v_247 = fabs(y1_18);
      const real v_248 = fabs(v_236);
      const real v_249 = v_30 + (v_19 * ((v_247 > v_248) ? v_247 : v_248));
      const real y2_18 = y2_1;
      const real v_250 = fabs(y2_18);
      const real v_251 = fabs(v_238);
      const real v_252 = v_31 + (v_19 * ((v_250 > v_251) ? v_250 : v_251));
      const real k10_11 = k10_1;
      const real v_253 = fma(v_199, 0.013532722661938385, (fma(v_191, (-0.0014019479935861836), (fma(k10_11, (-0.003056562463419692), v_218)))));
      const real v_254 = fma(v_240, 0.02601756456407773, (fma(v_229, (-0.7865999305996468), (fma(v_207, (-0.24849184616936348), v_253)))));
      const real v_255 = ((v_243 * v_254) * v_249) * v_252;
      const real k11_11 = k11_1;
      const real v_256 = fma(v_200, 0.013532722661938385, (fma(v_192, (-0.0014019479935861836), (fma(k11_11, (-0.003056562463419692), v_219)))));
      const real v_257 = fma(v_241, 0.02601756456407773, (fma(v_230, (-0.7865999305996468), (fma(v_208, (-0.24849184616936348), v_256)))));
      const real v_258 = ((v_243 * v_257) * v_246) * v_252;
      const real k12_11 = k12_1;
      const real v_259 = fma(v_201, 0.013532722661938385, (fma(v_193, (-0.0014019479935861836), (fma(k12_11, (-0.003056562463419692), v_220)))));
      const real v_260 = fma(v_242, 0.02601756456407773, (fma(v_231, (-0.7865999305996468), (fma(v_209, (-0.24849184616936348), v_259)))));
      const real v_261 = ((v_243 * v_260) * v_246) * v_249;
      const real v_262 = (v_246 * v_249) * v_252;
      const real mean_square_1 = ((((v_255 * v_255) + (v_258 * v_258)) + (v_261 * v_261)) / (v_262 * v_262)) * 0.3333333333333333;
      checked_square_1 = mean_square_1;
      const bool v_263 = mean_square_1 < __longlong_as_double(0x7ff0000000000000);
      if ((!v_263)) {
        const real k10_12 = k10_1;
        const real v_264 = fma(v_199, 0.013532722661938385, (fma(v_191, (-0.0014019479935861836), (fma(k10_12, (-0.003056562463419692), v_218)))));
        const real v_265 = fma(v_240, 0.02601756456407773, (fma(v_229, (-0.7865999305996468), (fma(v_207, (-0.24849184616936348), v_264)))));
        const real y0_19 = y0_1;
        const real v_266 = fabs(y0_19);
        const real v_267 = fabs(v_234);
        const real v_268 = (v_243 * v_265) / (v_29 + (v_19 * ((v_266 > v_267) ? v_266 : v_267)));
        const real k11_12 = k11_1;
        const real v_269 = fma(v_200, 0.013532722661938385, (fma(v_192, (-0.0014019479935861836), (fma(k11_12, (-0.003056562463419692), v_219)))));
        const real v_270 = fma(v_241, 0.02601756456407773, (fma(v_230, (-0.7865999305996468), (fma(v_208, (-0.24849184616936348), v_269)))));
        const real y1_19 = y1_1;
        const real v_271 = fabs(y1_19);
        const real v_272 = fabs(v_236);
        const real v_273 = (v_243 * v_270) / (v_30 + (v_19 * ((v_271 > v_272) ? v_271 : v_272)));
        const real k12_12 = k12_1;
        const real v_274 = fma(v_201, 0.013532722661938385, (fma(v_193, (-0.0014019479935861836), (fma(k12_12, (-0.003056562463419692), v_220)))));
        const real v_275 = fma(v_242, 0.02601756456407773, (fma(v_231, (-0.7865999305996468), (fma(v_209, (-0.24849184616936348), v_274)))));
        const real y2_19 = y2_1;
        const real v_276 = fabs(y2_19);
        const real v_277 = fabs(v_238);
        const real v_278 = (v_243 * v_275) / (v_31 + (v_19 * ((v_276 > v_277) ? v_276 : v_277)));
        const real v_279 = v_263 ? mean_square_1 : ((((v_268 * v_268) + (v_273 * v_273)) + (v_278 * v_278)) * 0.3333333333333333);
        checked_square_1 = v_279;
      }
      const real checked_square_2 = checked_square_1;
      const bool accepted_1 = checked_square_2 <= 1.0;
      const real square_3 = square_1;
      square_1 = (accepted_1 ? square_3 : checked_square_2);
      const double v_280 = v_185 ? span_8 : (elapsed_8 + ((double)h_1));
      const double due_3 = due_1;
      if ((accepted_1 && (due_3 <= v_280))) {
        for (;;) {
          const double due_4 = due_1;
          const bool v_281 = accepted_1 && (due_4 <= v_280);
          if (!v_281) break;
          const real v_282 = ((real)(due_4 - elapsed_8)) / h_1;
          const bool v_283 = due_4 < v_280;
          const real v_284 = v_282 * ((v_282 * ((v_282 * (-1.0530884977290216)) + 2.9132554618219126)) + (-2.763706197274826));
          const real v_285 = v_282 * (v_284 + 1.0);
          const real v_286 = v_282 * (v_282 * ((v_282 * ((v_282 * 0.1017) + (-0.2234))) + 0.1317));
          const real v_287 = v_282 * ((v_282 * ((v_282 * 2.490627285651253) + (-5.941033872131505))) + 3.9302962368947516);
          const real v_288 = v_282 * v_287;
          const real v_289 = v_282 * ((v_282 * ((v_282 * (-16.548102889244902)) + 30.33818863028232)) + (-12.411077166933676));
          const real v_290 = v_282 * v_289;
          const real v_291 = v_282 * ((v_282 * ((v_282 * 47.37952196281928) + (-88.1789048947664))) + 37.50931341651104);
          const real v_292 = v_282 * v_291;
          const real v_293 = v_282 * ((v_282 * ((v_282 * (-34.87065786149661)) + 65.09189467479366)) + (-27.896526289197286));
          const real v_294 = v_282 * v_293;
          const real v_295 = v_282 * (v_282 * ((v_282 * ((v_282 * 2.5) + (-4.0))) + 1.5));
          const real k10_13 = k10_1;
          const real v_296 = ((((v_285 * k10_13) + (v_286 * v_191)) + (v_288 * v_199)) + (v_290 * v_207)) + (v_292 * v_218);
          const real y0_20 = y0_1;
          const real k11_13 = k11_1;
          const real v_297 = ((((v_285 * k11_13) + (v_286 * v_192)) + (v_288 * v_200)) + (v_290 * v_208)) + (v_292 * v_219);
          const real y1_20 = y1_1;
          const real k12_13 = k12_1;
          const real v_298 = ((((v_285 * k12_13) + (v_286 * v_193)) + (v_288 * v_201)) + (v_290 * v_209)) + (v_292 * v_220);
          const real y2_20 = y2_1;
          const double start_9 = start_1;
          const double v_299 = start_9 + (v_1 * due_4);
          const integer saved_7 = saved_1;
          if (v_281) {
            const integer run_8 = run_1;
            const integer v_300 = strides[1];
            const integer v_301 = strides[2];
            const integer v_302 = (run_8 * v_300) + (saved_7 * v_301);
            const integer v_303 = strides[3];
            states[v_302] = (v_283 ? (y0_20 + (signed_h_1 * ((v_296 + (v_294 * v_229)) + (v_295 * v_240)))) : v_234);
            states[(v_302 + v_303)] = (v_283 ? (y1_20 + (signed_h_1 * ((v_297 + (v_294 * v_230)) + (v_295 * v_241)))) : v_236);
            states[(v_302 + (2 * v_303))] = (v_283 ? (y2_20 + (signed_h_1 * ((v_298 + (v_294 * v_231)) + (v_295 * v_242)))) : v_238);
            const integer saved_8 = saved_1;
            saved_1 = (saved_8 + 1);
            const integer saved_9 = saved_1;
            const integer run_9 = run_1;
            const double v_304 = save_times[(((first + run_9) * save_step) + saved_9)];
            due_1 = v_304;
          }
        }
      }
      const real y0_21 = y0_1;
      y0_1 = (accepted_1 ? v_234 : y0_21);
      const real k10_14 = k10_1;
      k10_1 = (accepted_1 ? v_240 : k10_14);
      const real y1_21 = y1_1;
      y1_1 = (accepted_1 ? v_236 : y1_21);
      const real k11_14 = k11_1;
      k11_1 = (accepted_1 ? v_241 : k11_14);
      const real y2_21 = y2_1;
      y2_1 = (accepted_1 ? v_238 : y2_21);
      const real k12_14 = k12_1;
      k12_1 = (accepted_1 ? v_242 : k12_14);
      const double v_305 = accepted_1 ? v_280 : elapsed_8;
      elapsed_1 = v_305;
      const float v_306 = (float)((checked_square_2 < 1000000000000.0) ? checked_square_2 : 1000000000000.0);
      const float v_307 = quick_log2(((v_306 > 1e-12f) ? v_306 : 1e-12f));
      const float error_before_2 = error_before_1;
      const float error_earlier_2 = error_earlier_1;
      const float size_change_2 = size_change_1;
      const float v_308 = v_32 - ((((float)v_11) * 0.5f) * v_307);
      const float v_309 = (((((float)v_8) * 0.5f) * error_before_2) + ((((float)v_9) * 0.5f) * error_earlier_2)) - (((float)v_10) * size_change_2);
      const float v_310 = (v_32 - ((((float)v_7) * 0.5f) * v_307)) - v_309;
      const float v_311 = v_308 + ((float)v_12);
      const float v_312 = accepted_1 ? ((v_310 < v_311) ? v_310 : v_311) : v_308;
      const float most_growing_2 = most_growing_1;
      const float v_313 = (v_312 < most_growing_2) ? v_312 : most_growing_2;
      const float v_314 = (v_313 > v_33) ? v_313 : v_33;
      error_before_1 = (accepted_1 ? v_307 : error_before_2);
      error_earlier_1 = (accepted_1 ? error_before_2 : error_earlier_2);
      size_change_1 = (v_314 + (accepted_1 ? 0.0f : size_change_2));
      most_growing_1 = (accepted_1 ? v_34 : 0.0f);
      const real v_315 = h_1 * ((real)(quick_exp2(v_314)));
      const real v_316 = (v_315 < v_18) ? v_315 : v_18;
      size_1 = v_316;
      const real least_4 = least_1;
      attention_1 = ((v_305 >= span_8) || (v_316 < least_4));
      const integer attempts_8 = attempts_1;
      const integer v_317 = attempts_8 + 1;
      attempts_1 = v_317;
      if ((v_317 & 63) == 0) {
        const integer v_318 = stop[0];
        if (v_318 != 0) return;
        const double elapsed_9 = elapsed_1;
        const double start_10 = start_1;
        const real v_319 = (fabs(((real)(start_10 + (v_1 * elapsed_9))))) * 3.552713678800501e-15;
        const real floor_3 = floor_1;
        least_1 = ((floor_3 > v_319) ? floor_3 : v_319);
      }
      const bool attention_3 = attention_1;
      const integer deadline_5 = deadline_1;
      if (attention_3 || (v_317 >= deadline_5)) break;
    }
  }
}
