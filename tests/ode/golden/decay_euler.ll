; decay: euler, float64, 16 lanes

define i64 @emberkeep_kernel(ptr %packed, i64 %from, i64 %to) {
entry:
  %mode_before = alloca i32, align 4
  %mode = alloca i32, align 4
  call void @llvm.x86.sse.stmxcsr(ptr %mode_before)
  store i32 8064, ptr %mode, align 4
  call void @llvm.x86.sse.ldmxcsr(ptr %mode)
  %first_place = getelementptr i8, ptr %packed, i64 0
  %first = load i64, ptr %first_place, align 8
  %runs_place = getelementptr i8, ptr %packed, i64 8
  %runs = load i64, ptr %runs_place, align 8
  %share_place = getelementptr i8, ptr %packed, i64 16
  %share = load i64, ptr %share_place, align 8
  %values_place = getelementptr i8, ptr %packed, i64 24
  %values = load ptr, ptr %values_place, align 8
  %sources_place = getelementptr i8, ptr %packed, i64 32
  %sources = load ptr, ptr %sources_place, align 8
  %spans_place = getelementptr i8, ptr %packed, i64 40
  %spans = load ptr, ptr %spans_place, align 8
  %span_step_place = getelementptr i8, ptr %packed, i64 48
  %span_step = load i64, ptr %span_step_place, align 8
  %settings_place = getelementptr i8, ptr %packed, i64 56
  %settings = load ptr, ptr %settings_place, align 8
  %atol_place = getelementptr i8, ptr %packed, i64 64
  %atol = load ptr, ptr %atol_place, align 8
  %most_attempts_place = getelementptr i8, ptr %packed, i64 72
  %most_attempts = load i64, ptr %most_attempts_place, align 8
  %stop_place = getelementptr i8, ptr %packed, i64 80
  %stop = load ptr, ptr %stop_place, align 8
  %strides_place = getelementptr i8, ptr %packed, i64 88
  %strides = load ptr, ptr %strides_place, align 8
  %status_place = getelementptr i8, ptr %packed, i64 96
  %status = load ptr, ptr %status_place, align 8
  %save_count_place = getelementptr i8, ptr %packed, i64 104
  %save_count = load i64, ptr %save_count_place, align 8
  %counts_place = getelementptr i8, ptr %packed, i64 112
  %counts = load ptr, ptr %counts_place, align 8
  %sizes_place = getelementptr i8, ptr %packed, i64 120
  %sizes = load ptr, ptr %sizes_place, align 8
  %begins_place = getelementptr i8, ptr %packed, i64 128
  %begins = load ptr, ptr %begins_place, align 8
  %ends_place = getelementptr i8, ptr %packed, i64 136
  %ends = load ptr, ptr %ends_place, align 8
  %slots_place = getelementptr i8, ptr %packed, i64 144
  %slots = load ptr, ptr %slots_place, align 8
  %intervals_place = getelementptr i8, ptr %packed, i64 152
  %intervals = load i64, ptr %intervals_place, align 8
  %interval_step_place = getelementptr i8, ptr %packed, i64 160
  %interval_step = load i64, ptr %interval_step_place, align 8
  %states_place = getelementptr i8, ptr %packed, i64 168
  %states = load ptr, ptr %states_place, align 8
  %final_place = getelementptr i8, ptr %packed, i64 176
  %final = load ptr, ptr %final_place, align 8
  %work_place = getelementptr i8, ptr %packed, i64 184
  %work = load ptr, ptr %work_place, align 8
  br label %each
each:
  %index = phi i64 [ %from, %entry ], [ %next, %one ]
  %more = icmp slt i64 %index, %to
  br i1 %more, label %one, label %end
one:
  %begin = mul i64 %index, %share
  %full = add i64 %begin, %share
  %is_last = icmp sgt i64 %full, %runs
  %end_ = select i1 %is_last, i64 %runs, i64 %full
  %apart = mul i64 %index, 0
  %own = getelementptr i8, ptr %work, i64 %apart
  call void @integrate(i64 %first, i64 %runs, i64 %share, ptr %values, ptr %sources, ptr %spans, i64 %span_step, ptr %settings, ptr %atol, i64 %most_attempts, ptr %stop, ptr %strides, ptr %status, i64 %save_count, ptr %counts, ptr %sizes, ptr %begins, ptr %ends, ptr %slots, i64 %intervals, i64 %interval_step, ptr %states, ptr %final, ptr %own, i64 %begin, i64 %end_)
  %next = add i64 %index, 1
  br label %each
end:
  call void @llvm.x86.sse.ldmxcsr(ptr %mode_before)
  ret i64 0
}

define internal void @integrate(i64 %first, i64 %runs, i64 %share, ptr noalias %values, ptr noalias %sources, ptr noalias %spans, i64 %span_step, ptr noalias %settings, ptr noalias %atol, i64 %most_attempts, ptr noalias %stop, ptr noalias %strides, ptr noalias %status, i64 %save_count, ptr noalias %counts, ptr noalias %sizes, ptr noalias %begins, ptr noalias %ends, ptr noalias %slots, i64 %intervals, i64 %interval_step, ptr noalias %states, ptr noalias %final, ptr noalias %work, i64 %begin, i64 %end_) #2 {
entry:
  %x68 = alloca <16 x i64>, align 64
  %x70 = alloca <16 x double>, align 64
  %x72 = alloca <16 x double>, align 64
  %x74 = alloca <16 x double>, align 64
  %x76 = alloca <16 x double>, align 64
  %x77 = alloca <16 x double>, align 64
  %x82 = alloca <16 x i64>, align 64
  %x83 = alloca <16 x i1>, align 64
  %x84 = alloca i64, align 64
  %x85 = alloca <16 x i64>, align 64
  %x87 = alloca <16 x double>, align 64
  %x88 = alloca i64, align 64
  %x90 = alloca <16 x double>, align 64
  %x91 = alloca <16 x double>, align 64
  %x118 = alloca <16 x i64>, align 64
  %x145 = alloca <16 x i64>, align 64
  %x191 = alloca i64, align 64
  %x283 = alloca <16 x i64>, align 64
  %s36 = alloca <16 x i8>, align 64
  %s38 = alloca <16 x i64>, align 64
  %s40 = alloca <16 x i64>, align 64
  %s42 = alloca <16 x double>, align 64
  %s44 = alloca <16 x i64>, align 64
  %s46 = alloca <16 x double>, align 64
  %s48 = alloca <16 x double>, align 64
  %s50 = alloca <16 x double>, align 64
  %s52 = alloca <16 x double>, align 64
  %s150 = alloca <16 x i64>, align 64
  %s152 = alloca <16 x double>, align 64
  %s154 = alloca <16 x double>, align 64
  %s156 = alloca <16 x double>, align 64
  %s258 = alloca <16 x i64>, align 64
  %s260 = alloca <16 x i64>, align 64
  %s262 = alloca <16 x double>, align 64
  %s264 = alloca <16 x i64>, align 64
  %s298 = alloca <16 x i64>, align 64
  %s300 = alloca <16 x i64>, align 64
  %s302 = alloca <16 x i64>, align 64
  %s304 = alloca <16 x double>, align 64
  %s306 = alloca <16 x double>, align 64
  %s308 = alloca <16 x i64>, align 64
  %s310 = alloca <16 x double>, align 64
  br label %begun
begun:
  store <16 x i64> zeroinitializer, ptr %x68, align 64
  store <16 x double> zeroinitializer, ptr %x70, align 64
  store <16 x double> zeroinitializer, ptr %x72, align 64
  store <16 x double> zeroinitializer, ptr %x74, align 64
  store <16 x double> zeroinitializer, ptr %x76, align 64
  store <16 x double> zeroinitializer, ptr %x77, align 64
  store <16 x i64> zeroinitializer, ptr %x82, align 64
  store <16 x i1> zeroinitializer, ptr %x83, align 64
  store i64 zeroinitializer, ptr %x84, align 64
  store <16 x i64> zeroinitializer, ptr %x85, align 64
  store <16 x double> zeroinitializer, ptr %x87, align 64
  store i64 zeroinitializer, ptr %x88, align 64
  store <16 x double> zeroinitializer, ptr %x90, align 64
  store <16 x double> zeroinitializer, ptr %x91, align 64
  store <16 x i64> zeroinitializer, ptr %x118, align 64
  store <16 x i64> zeroinitializer, ptr %x145, align 64
  store i64 zeroinitializer, ptr %x191, align 64
  store <16 x i64> zeroinitializer, ptr %x283, align 64
  %v1 = getelementptr double, ptr %settings, i64 0
  %v2 = load double, ptr %v1
  %v3 = getelementptr double, ptr %settings, i64 1
  %v4 = load double, ptr %v3
  %v5 = getelementptr double, ptr %settings, i64 2
  %v6 = load double, ptr %v5
  %v7 = getelementptr double, ptr %settings, i64 3
  %v8 = load double, ptr %v7
  %v9 = getelementptr double, ptr %settings, i64 4
  %v10 = load double, ptr %v9
  %v11 = getelementptr double, ptr %settings, i64 5
  %v12 = load double, ptr %v11
  %v13 = getelementptr double, ptr %settings, i64 6
  %v14 = load double, ptr %v13
  %v15 = getelementptr double, ptr %settings, i64 7
  %v16 = load double, ptr %v15
  %v17 = getelementptr double, ptr %settings, i64 8
  %v18 = load double, ptr %v17
  %v19 = getelementptr double, ptr %settings, i64 9
  %v20 = load double, ptr %v19
  %v21 = getelementptr double, ptr %settings, i64 10
  %v22 = load double, ptr %v21
  %v23 = getelementptr double, ptr %settings, i64 11
  %v24 = load double, ptr %v23
  %v25 = getelementptr double, ptr %settings, i64 12
  %v26 = load double, ptr %v25
  %v27 = getelementptr double, ptr %settings, i64 13
  %v28 = load double, ptr %v27
  store <16 x i64> splat (i64 -1), ptr %x68, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x70, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x72, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x74, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x76, align 64
  store <16 x double> splat (double 0x0000000000000000), ptr %x77, align 64
  %v29 = getelementptr double, ptr %atol, i64 0
  %v30 = load double, ptr %v29
  store i64 %begin, ptr %x84, align 64
  store <16 x i64> splat (i64 0), ptr %x85, align 64
  store i64 0, ptr %x88, align 64
  store <16 x i64> splat (i64 0), ptr %x82, align 64
  %v32 = select i1 true, i64 65535, i64 0
  %v33 = icmp ne i64 %v32, 0
  br i1 %v33, label %enter31, label %skip31
enter31:
  %v34 = load <16 x i1>, ptr %x83, align 64
  %v35 = zext <16 x i1> %v34 to <16 x i8>
  store <16 x i8> %v35, ptr %s36, align 64
  %v37 = load <16 x i64>, ptr %x68, align 64
  store <16 x i64> %v37, ptr %s38, align 64
  %v39 = load <16 x i64>, ptr %x118, align 64
  store <16 x i64> %v39, ptr %s40, align 64
  %v41 = load <16 x double>, ptr %x76, align 64
  store <16 x double> %v41, ptr %s42, align 64
  %v43 = load <16 x i64>, ptr %x145, align 64
  store <16 x i64> %v43, ptr %s44, align 64
  %v45 = load <16 x double>, ptr %x77, align 64
  store <16 x double> %v45, ptr %s46, align 64
  %v47 = load <16 x double>, ptr %x70, align 64
  store <16 x double> %v47, ptr %s48, align 64
  %v49 = load <16 x double>, ptr %x72, align 64
  store <16 x double> %v49, ptr %s50, align 64
  %v51 = load <16 x double>, ptr %x74, align 64
  store <16 x double> %v51, ptr %s52, align 64
  br label %each31
each31:
  %v53 = phi i64 [ %v32, %enter31 ], [ %v131, %after99 ]
  %v54 = call i64 @llvm.cttz.i64(i64 %v53, i1 true)
  %v55 = load i64, ptr %x84, align 64
  %v56 = icmp slt i64 %v55, %end_
  %v57 = zext i1 %v56 to i8
  %v58 = getelementptr i8, ptr %s36, i64 %v54
  store i8 %v57, ptr %v58
  %v59 = load i64, ptr %x84, align 64
  %v60 = sub i64 %end_, 1
  %v61 = icmp slt i64 %v59, %v60
  %v62 = select i1 %v61, i64 %v59, i64 %v60
  %v63 = getelementptr i64, ptr %s38, i64 %v54
  store i64 %v62, ptr %v63
  %v64 = getelementptr i64, ptr %sources, i64 0
  %v65 = load i64, ptr %v64
  %v66 = getelementptr i64, ptr %sources, i64 1
  %v67 = load i64, ptr %v66
  %v68 = getelementptr i64, ptr %sources, i64 2
  %v69 = load i64, ptr %v68
  %v70 = getelementptr i64, ptr %sources, i64 3
  %v71 = load i64, ptr %v70
  %v72 = mul i64 %v67, %v62
  %v73 = add i64 %v65, %v72
  %v74 = getelementptr i64, ptr %s40, i64 %v54
  store i64 %v73, ptr %v74
  %v75 = icmp sgt i64 %v69, 0
  br i1 %v75, label %then76, label %after76
then76:
  %v77 = add i64 %first, %v62
  %v78 = udiv i64 %v77, %v69
  %v79 = urem i64 %v78, %v71
  %v80 = add i64 %v65, %v79
  %v81 = getelementptr i64, ptr %s40, i64 %v54
  store i64 %v80, ptr %v81
  br label %after76
after76:
  %v82 = getelementptr i64, ptr %s40, i64 %v54
  %v83 = load i64, ptr %v82
  %v84 = getelementptr double, ptr %values, i64 %v83
  %v85 = load double, ptr %v84
  %v86 = getelementptr double, ptr %s42, i64 %v54
  store double %v85, ptr %v86
  %v87 = getelementptr i64, ptr %sources, i64 4
  %v88 = load i64, ptr %v87
  %v89 = getelementptr i64, ptr %sources, i64 5
  %v90 = load i64, ptr %v89
  %v91 = getelementptr i64, ptr %sources, i64 6
  %v92 = load i64, ptr %v91
  %v93 = getelementptr i64, ptr %sources, i64 7
  %v94 = load i64, ptr %v93
  %v95 = mul i64 %v90, %v62
  %v96 = add i64 %v88, %v95
  %v97 = getelementptr i64, ptr %s44, i64 %v54
  store i64 %v96, ptr %v97
  %v98 = icmp sgt i64 %v92, 0
  br i1 %v98, label %then99, label %after99
then99:
  %v100 = add i64 %first, %v62
  %v101 = udiv i64 %v100, %v92
  %v102 = urem i64 %v101, %v94
  %v103 = add i64 %v88, %v102
  %v104 = getelementptr i64, ptr %s44, i64 %v54
  store i64 %v103, ptr %v104
  br label %after99
after99:
  %v105 = getelementptr i64, ptr %s44, i64 %v54
  %v106 = load i64, ptr %v105
  %v107 = getelementptr double, ptr %values, i64 %v106
  %v108 = load double, ptr %v107
  %v109 = getelementptr double, ptr %s46, i64 %v54
  store double %v108, ptr %v109
  %v110 = getelementptr i64, ptr %s38, i64 %v54
  %v111 = load i64, ptr %v110
  %v112 = add i64 %first, %v111
  %v113 = mul i64 %v112, %span_step
  %v114 = getelementptr double, ptr %spans, i64 %v113
  %v115 = load double, ptr %v114
  %v116 = add i64 %v113, 1
  %v117 = getelementptr double, ptr %spans, i64 %v116
  %v118 = load double, ptr %v117
  %v119 = getelementptr double, ptr %s48, i64 %v54
  store double %v115, ptr %v119
  %v120 = fsub contract nsz arcp double %v118, %v115
  %v121 = call double @llvm.fabs.f64(double %v120)
  %v122 = getelementptr double, ptr %s50, i64 %v54
  store double %v121, ptr %v122
  %v123 = call double @llvm.fabs.f64(double %v115)
  %v124 = fmul contract nsz arcp double %v123, 0x3CE0000000000000
  %v125 = fcmp ogt double %v124, %v6
  %v126 = select i1 %v125, double %v124, double %v6
  %v127 = getelementptr double, ptr %s52, i64 %v54
  store double %v126, ptr %v127
  %v128 = load i64, ptr %x84, align 64
  %v129 = add i64 %v128, 1
  store i64 %v129, ptr %x84, align 64
  %v130 = add i64 %v53, -1
  %v131 = and i64 %v53, %v130
  %v132 = icmp eq i64 %v131, 0
  br i1 %v132, label %after31, label %each31
after31:
  %v133 = load <16 x i8>, ptr %s36, align 64
  %v134 = trunc <16 x i8> %v133 to <16 x i1>
  store <16 x i1> %v134, ptr %x83, align 64
  %v135 = load <16 x i64>, ptr %s38, align 64
  store <16 x i64> %v135, ptr %x68, align 64
  %v136 = load <16 x i64>, ptr %s40, align 64
  store <16 x i64> %v136, ptr %x118, align 64
  %v137 = load <16 x double>, ptr %s42, align 64
  store <16 x double> %v137, ptr %x76, align 64
  %v138 = load <16 x i64>, ptr %s44, align 64
  store <16 x i64> %v138, ptr %x145, align 64
  %v139 = load <16 x double>, ptr %s46, align 64
  store <16 x double> %v139, ptr %x77, align 64
  %v140 = load <16 x double>, ptr %s48, align 64
  store <16 x double> %v140, ptr %x70, align 64
  %v141 = load <16 x double>, ptr %s50, align 64
  store <16 x double> %v141, ptr %x72, align 64
  %v142 = load <16 x double>, ptr %s52, align 64
  store <16 x double> %v142, ptr %x74, align 64
  br label %skip31
skip31:
  br label %count143
count143:
  %v144 = phi i64 [ 0, %skip31 ], [ %v291, %after242 ]
  %v145 = icmp slt i64 %v144, %intervals
  br i1 %v145, label %counted143, label %done143
counted143:
  %v147 = select i1 true, i64 65535, i64 0
  %v148 = icmp ne i64 %v147, 0
  br i1 %v148, label %enter146, label %skip146
enter146:
  %v149 = load <16 x i64>, ptr %x68, align 64
  store <16 x i64> %v149, ptr %s150, align 64
  %v151 = load <16 x double>, ptr %x87, align 64
  store <16 x double> %v151, ptr %s152, align 64
  %v153 = load <16 x double>, ptr %x90, align 64
  store <16 x double> %v153, ptr %s154, align 64
  %v155 = load <16 x double>, ptr %x91, align 64
  store <16 x double> %v155, ptr %s156, align 64
  br label %each146
each146:
  %v157 = phi i64 [ %v147, %enter146 ], [ %v174, %each146 ]
  %v158 = call i64 @llvm.cttz.i64(i64 %v157, i1 true)
  %v159 = getelementptr i64, ptr %s150, i64 %v158
  %v160 = load i64, ptr %v159
  %v161 = add i64 %first, %v160
  %v162 = mul i64 %v161, %interval_step
  %v163 = add i64 %v162, %v144
  %v164 = getelementptr double, ptr %sizes, i64 %v163
  %v165 = load double, ptr %v164
  %v166 = getelementptr double, ptr %s152, i64 %v158
  store double %v165, ptr %v166
  %v167 = getelementptr double, ptr %begins, i64 %v163
  %v168 = load double, ptr %v167
  %v169 = getelementptr double, ptr %s154, i64 %v158
  store double %v168, ptr %v169
  %v170 = getelementptr double, ptr %ends, i64 %v163
  %v171 = load double, ptr %v170
  %v172 = getelementptr double, ptr %s156, i64 %v158
  store double %v171, ptr %v172
  %v173 = add i64 %v157, -1
  %v174 = and i64 %v157, %v173
  %v175 = icmp eq i64 %v174, 0
  br i1 %v175, label %after146, label %each146
after146:
  %v176 = load <16 x double>, ptr %s152, align 64
  store <16 x double> %v176, ptr %x87, align 64
  %v177 = load <16 x double>, ptr %s154, align 64
  store <16 x double> %v177, ptr %x90, align 64
  %v178 = load <16 x double>, ptr %s156, align 64
  store <16 x double> %v178, ptr %x91, align 64
  br label %skip146
skip146:
  %v179 = load <16 x double>, ptr %x87, align 64
  %v180 = load <16 x double>, ptr %x90, align 64
  %v181 = insertelement <16 x double> poison, double %v2, i64 0
  %v182 = shufflevector <16 x double> %v181, <16 x double> poison, <16 x i32> zeroinitializer
  %v183 = fmul contract nsz arcp <16 x double> %v179, %v182
  store i64 0, ptr %x191, align 64
  br label %loop184
loop184:
  %v185 = getelementptr i64, ptr %counts, i64 %v144
  %v186 = load i64, ptr %v185
  %v187 = load i64, ptr %x191, align 64
  %v188 = sub i64 %v186, %v187
  %v189 = icmp sle i64 %v188, 0
  br i1 %v189, label %left184, label %stay190
stay190:
  %v191 = getelementptr i64, ptr %stop, i64 0
  %v192 = load volatile i64, ptr %v191
  %v193 = icmp ne i64 %v192, 0
  br i1 %v193, label %end, label %on194
on194:
  %v195 = icmp slt i64 %v188, 256
  %v196 = select i1 %v195, i64 %v188, i64 256
  br label %count197
count197:
  %v198 = phi i64 [ 0, %on194 ], [ %v219, %counted197 ]
  %v199 = icmp slt i64 %v198, %v196
  br i1 %v199, label %counted197, label %done197
counted197:
  %v200 = load i64, ptr %x191, align 64
  %v201 = add i64 %v200, %v198
  %v202 = sitofp i64 %v201 to double
  %v203 = insertelement <16 x double> poison, double %v202, i64 0
  %v204 = shufflevector <16 x double> %v203, <16 x double> poison, <16 x i32> zeroinitializer
  %v205 = fmul contract nsz arcp <16 x double> %v204, %v179
  %v206 = fadd contract nsz arcp <16 x double> %v180, %v205
  %v207 = load <16 x double>, ptr %x70, align 64
  %v208 = insertelement <16 x double> poison, double %v2, i64 0
  %v209 = shufflevector <16 x double> %v208, <16 x double> poison, <16 x i32> zeroinitializer
  %v210 = fmul contract nsz arcp <16 x double> %v209, %v206
  %v211 = fadd contract nsz arcp <16 x double> %v207, %v210
  %v212 = load <16 x double>, ptr %x76, align 64
  %v213 = load <16 x double>, ptr %x77, align 64
  %v214 = fneg contract nsz arcp <16 x double> %v213
  %v215 = fmul contract nsz arcp <16 x double> %v212, %v214
  %v216 = load <16 x double>, ptr %x76, align 64
  %v217 = fmul contract nsz arcp <16 x double> %v183, %v215
  %v218 = fadd contract nsz arcp <16 x double> %v216, %v217
  store <16 x double> %v218, ptr %x76, align 64
  %v219 = add nsw i64 %v198, 1
  br label %count197, !llvm.loop !0
done197:
  %v220 = load i64, ptr %x191, align 64
  %v221 = add i64 %v220, %v196
  store i64 %v221, ptr %x191, align 64
  br label %loop184
left184:
  %v222 = load <16 x double>, ptr %x76, align 64
  %v223 = fmul contract nsz arcp <16 x double> %v222, splat (double 0x0000000000000000)
  %v224 = fcmp oeq <16 x double> %v223, splat (double 0x0000000000000000)
  %v225 = load <16 x i64>, ptr %x85, align 64
  %v226 = select <16 x i1> %v224, <16 x i64> %v225, <16 x i64> splat (i64 2)
  store <16 x i64> %v226, ptr %x85, align 64
  %v227 = getelementptr i64, ptr %counts, i64 %v144
  %v228 = load i64, ptr %v227
  %v229 = load i64, ptr %x88, align 64
  %v230 = add i64 %v229, %v228
  store i64 %v230, ptr %x88, align 64
  %v231 = load <16 x double>, ptr %x90, align 64
  %v232 = sitofp i64 %v228 to double
  %v233 = load <16 x double>, ptr %x87, align 64
  %v234 = insertelement <16 x double> poison, double %v232, i64 0
  %v235 = shufflevector <16 x double> %v234, <16 x double> poison, <16 x i32> zeroinitializer
  %v236 = fmul contract nsz arcp <16 x double> %v235, %v233
  %v237 = fadd contract nsz arcp <16 x double> %v231, %v236
  %v238 = load <16 x i1>, ptr %x83, align 64
  %v239 = getelementptr i64, ptr %slots, i64 %v144
  %v240 = load i64, ptr %v239
  %v241 = icmp sge i64 %v240, 0
  br i1 %v241, label %then242, label %after242
then242:
  %v243 = load <16 x double>, ptr %x91, align 64
  %v244 = load <16 x double>, ptr %x70, align 64
  %v245 = insertelement <16 x double> poison, double %v2, i64 0
  %v246 = shufflevector <16 x double> %v245, <16 x double> poison, <16 x i32> zeroinitializer
  %v247 = fmul contract nsz arcp <16 x double> %v246, %v243
  %v248 = fadd contract nsz arcp <16 x double> %v244, %v247
  %v249 = load <16 x i64>, ptr %x85, align 64
  %v250 = icmp eq <16 x i64> %v249, splat (i64 0)
  %v251 = load <16 x i64>, ptr %x82, align 64
  %v252 = load <16 x i1>, ptr %x83, align 64
  %v253 = and <16 x i1> %v252, %v250
  %v255 = bitcast <16 x i1> %v253 to i16
  %v256 = zext i16 %v255 to i64
  %v257 = icmp ne i64 %v256, 0
  br i1 %v257, label %enter254, label %skip254
enter254:
  store <16 x i64> %v251, ptr %s258, align 64
  %v259 = load <16 x i64>, ptr %x68, align 64
  store <16 x i64> %v259, ptr %s260, align 64
  %v261 = load <16 x double>, ptr %x76, align 64
  store <16 x double> %v261, ptr %s262, align 64
  %v263 = load <16 x i64>, ptr %x82, align 64
  store <16 x i64> %v263, ptr %s264, align 64
  br label %each254
each254:
  %v265 = phi i64 [ %v256, %enter254 ], [ %v288, %each254 ]
  %v266 = call i64 @llvm.cttz.i64(i64 %v265, i1 true)
  %v267 = getelementptr i64, ptr %s258, i64 %v266
  %v268 = load i64, ptr %v267
  %v269 = getelementptr i64, ptr %s260, i64 %v266
  %v270 = load i64, ptr %v269
  %v271 = getelementptr i64, ptr %strides, i64 1
  %v272 = load i64, ptr %v271
  %v273 = mul i64 %v270, %v272
  %v274 = getelementptr i64, ptr %strides, i64 2
  %v275 = load i64, ptr %v274
  %v276 = mul i64 %v268, %v275
  %v277 = add i64 %v273, %v276
  %v278 = getelementptr i64, ptr %strides, i64 3
  %v279 = load i64, ptr %v278
  %v280 = getelementptr double, ptr %s262, i64 %v266
  %v281 = load double, ptr %v280
  %v282 = getelementptr double, ptr %states, i64 %v277
  store double %v281, ptr %v282
  %v283 = getelementptr i64, ptr %s264, i64 %v266
  %v284 = load i64, ptr %v283
  %v285 = add i64 %v284, 1
  %v286 = getelementptr i64, ptr %s264, i64 %v266
  store i64 %v285, ptr %v286
  %v287 = add i64 %v265, -1
  %v288 = and i64 %v265, %v287
  %v289 = icmp eq i64 %v288, 0
  br i1 %v289, label %after254, label %each254
after254:
  %v290 = load <16 x i64>, ptr %s264, align 64
  store <16 x i64> %v290, ptr %x82, align 64
  br label %skip254
skip254:
  br label %after242
after242:
  %v291 = add nsw i64 %v144, 1
  br label %count143, !llvm.loop !0
done143:
  %v292 = load <16 x i1>, ptr %x83, align 64
  %v294 = bitcast <16 x i1> %v292 to i16
  %v295 = zext i16 %v294 to i64
  %v296 = icmp ne i64 %v295, 0
  br i1 %v296, label %enter293, label %skip293
enter293:
  %v297 = load <16 x i64>, ptr %x82, align 64
  store <16 x i64> %v297, ptr %s298, align 64
  %v299 = load <16 x i64>, ptr %x85, align 64
  store <16 x i64> %v299, ptr %s300, align 64
  %v301 = load <16 x i64>, ptr %x68, align 64
  store <16 x i64> %v301, ptr %s302, align 64
  %v303 = load <16 x double>, ptr %x72, align 64
  store <16 x double> %v303, ptr %s304, align 64
  %v305 = load <16 x double>, ptr %x70, align 64
  store <16 x double> %v305, ptr %s306, align 64
  %v307 = load <16 x i64>, ptr %x283, align 64
  store <16 x i64> %v307, ptr %s308, align 64
  %v309 = load <16 x double>, ptr %x76, align 64
  store <16 x double> %v309, ptr %s310, align 64
  br label %each293
each293:
  %v311 = phi i64 [ %v295, %enter293 ], [ %v365, %after354 ]
  %v312 = call i64 @llvm.cttz.i64(i64 %v311, i1 true)
  %v313 = getelementptr i64, ptr %s298, i64 %v312
  %v314 = load i64, ptr %v313
  %v315 = getelementptr i64, ptr %s300, i64 %v312
  %v316 = load i64, ptr %v315
  %v317 = load i64, ptr %x88, align 64
  %v318 = getelementptr i64, ptr %s302, i64 %v312
  %v319 = load i64, ptr %v318
  %v320 = trunc i64 %v316 to i8
  %v321 = getelementptr i8, ptr %status, i64 %v319
  store i8 %v320, ptr %v321
  %v322 = icmp eq i64 %v316, 0
  %v323 = getelementptr double, ptr %s304, i64 %v312
  %v324 = load double, ptr %v323
  %v325 = getelementptr double, ptr %s306, i64 %v312
  %v326 = load double, ptr %v325
  %v327 = fmul contract nsz arcp double %v2, %v324
  %v328 = fadd contract nsz arcp double %v326, %v327
  %v329 = getelementptr i64, ptr %s308, i64 %v312
  store i64 %v314, ptr %v329
  br label %loop330
loop330:
  %v331 = getelementptr i64, ptr %s308, i64 %v312
  %v332 = load i64, ptr %v331
  %v333 = icmp sge i64 %v332, %save_count
  br i1 %v333, label %left330, label %stay334
stay334:
  %v335 = getelementptr i64, ptr %s308, i64 %v312
  %v336 = load i64, ptr %v335
  %v337 = getelementptr i64, ptr %strides, i64 1
  %v338 = load i64, ptr %v337
  %v339 = mul i64 %v319, %v338
  %v340 = getelementptr i64, ptr %strides, i64 2
  %v341 = load i64, ptr %v340
  %v342 = mul i64 %v336, %v341
  %v343 = add i64 %v339, %v342
  %v344 = getelementptr i64, ptr %strides, i64 3
  %v345 = load i64, ptr %v344
  %v346 = getelementptr double, ptr %states, i64 %v343
  store double 0x7FF8000000000000, ptr %v346
  %v347 = getelementptr i64, ptr %s308, i64 %v312
  %v348 = load i64, ptr %v347
  %v349 = add i64 %v348, 1
  %v350 = getelementptr i64, ptr %s308, i64 %v312
  store i64 %v349, ptr %v350
  br label %loop330
left330:
  %v351 = getelementptr i64, ptr %strides, i64 0
  %v352 = load i64, ptr %v351
  %v353 = icmp ne i64 %v352, 0
  br i1 %v353, label %then354, label %after354
then354:
  %v355 = getelementptr i64, ptr %strides, i64 4
  %v356 = load i64, ptr %v355
  %v357 = mul i64 %v319, %v356
  %v358 = getelementptr i64, ptr %strides, i64 5
  %v359 = load i64, ptr %v358
  %v360 = getelementptr double, ptr %s310, i64 %v312
  %v361 = load double, ptr %v360
  %v362 = select i1 %v322, double %v361, double 0x7FF8000000000000
  %v363 = getelementptr double, ptr %final, i64 %v357
  store double %v362, ptr %v363
  br label %after354
after354:
  %v364 = add i64 %v311, -1
  %v365 = and i64 %v311, %v364
  %v366 = icmp eq i64 %v365, 0
  br i1 %v366, label %after293, label %each293
after293:
  %v367 = load <16 x i64>, ptr %s308, align 64
  store <16 x i64> %v367, ptr %x283, align 64
  br label %skip293
skip293:
  br label %end
end:
  ret void
}


declare i64 @llvm.cttz.i64(i64, i1)
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)
declare double @llvm.fabs.f64(double)

attributes #0 = { nounwind willreturn memory(none) }
attributes #1 = { noinline nounwind "prefer-vector-width"="256" "min-legal-vector-width"="256" }
attributes #2 = { noinline nounwind "prefer-vector-width"="256" "min-legal-vector-width"="256" }
!0 = distinct !{!0, !1, !2}
!1 = !{!"llvm.loop.unroll.disable"}
!2 = !{!"llvm.loop.vectorize.enable", i1 false}
!3 = distinct !{!3, !1}
