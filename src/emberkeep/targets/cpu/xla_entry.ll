; How XLA calls a kernel: what is the same for all of them. What is not, xla_entry.py writes.
;
; XLA's foreign function interface hands over structures of C, whose layout its header promises
; (xla/ffi/api/c_api.h, version 0.3). They are declared here, so that fields have numbers and names.

%Version = type {
  i64,          ; 0 size of the structure
  ptr,          ; 1 extensions
  i32,          ; 2 major
  i32           ; 3 minor
}

%Api = type {
  i64,          ; 0 size of the structure
  ptr,          ; 1 extensions
  %Version,     ; 2
  ptr,          ; 3 internal
  ptr,          ; 4 create an error
  ptr,          ; 5 get its message
  ptr,          ; 6 destroy it
  [8 x ptr],    ; 7 handlers, streams, types, states, memory
  ptr           ; 8 schedule a task on the thread pool
}

%Buffers = type {
  i64,          ; 0 size of the structure
  ptr,          ; 1 extensions
  i64,          ; 2 how many
  ptr,          ; 3 kinds
  ptr           ; 4 of pointers to Buffer
}

%Frame = type {
  i64,          ; 0 size of the structure
  ptr,          ; 1 extensions
  ptr,          ; 2 Api
  ptr,          ; 3 context
  i64,          ; 4 stage
  %Buffers,     ; 5 arguments
  %Buffers      ; 6 results
}

%Extension = type {
  i64,          ; 0 size of the structure
  i32,          ; 1 kind; 1 asks for Metadata
  ptr,          ; 2 the next one
  ptr           ; 3 Metadata
}

%Metadata = type {
  i64,          ; 0 size of the structure
  %Version,     ; 1
  i32,          ; 2 traits
  i64           ; 3 kind of state
}

%Task = type {  ; 40 bytes
  i64,          ; 0 size of the structure
  ptr,          ; 1 extensions
  ptr,          ; 2 context
  ptr,          ; 3 function
  ptr           ; 4 what it is given
}

%Error = type { ; 28 bytes, without what aligns it
  i64,          ; 0 size of the structure
  ptr,          ; 1 extensions
  ptr,          ; 2 message
  i32           ; 3 code: 3 an invalid argument, 13 internal
}

%Refusal = type { ; 24 bytes
  i64,          ; 0 size of the structure
  ptr,          ; 1 extensions
  ptr           ; 2 the error
}

; Work is shared out by one word: which call it is (its turn), how many parts it has, how many are
; taken. Who comes late finds another call there, or nothing to take, and leaves all else alone; so a
; call waits only for parts that somebody is at work on, and never for a thread that has not begun.
%Call = type {
  i64,          ; 0 turn (32 bits), parts (16), taken (16)
  i64,          ; 1 parts that are done
  ptr,          ; 2 Frame
  i64           ; 3 whether one has failed
}

@calls = internal global [64 x %Call] zeroinitializer, align 64
@places = internal global i64 0, align 8 ; a bit for each that a call has taken

; By xla_entry.py:
@emberkeep_xla_misfit = external constant i8
@emberkeep_xla_raised = external constant i8
declare i1 @emberkeep_xla_fits(ptr)       ; whether buffers are what the kernel takes
declare i64 @emberkeep_xla_parts(ptr)     ; how many indices there are
declare i64 @emberkeep_xla_part(ptr, i64) ; runs one
declare void @emberkeep_xla_pause()       ; tells the processor that this thread only waits

declare i64 @llvm.cttz.i64(i64, i1)

; Take parts of a call, until none are left. A ticket is the call's turn and, in its last 6 bits, its
; place.
define internal void @help(ptr %data) {
begin:
  %ticket = ptrtoint ptr %data to i64
  %place = and i64 %ticket, 63
  %turn = lshr i64 %ticket, 6
  %call = getelementptr [64 x %Call], ptr @calls, i64 0, i64 %place
  %done = getelementptr %Call, ptr %call, i32 0, i32 1
  %frame.p = getelementptr %Call, ptr %call, i32 0, i32 2
  %failed = getelementptr %Call, ptr %call, i32 0, i32 3
  br label %look
look:
  %word = load atomic i64, ptr %call seq_cst, align 8
  %this = lshr i64 %word, 32
  %ours = icmp eq i64 %this, %turn
  br i1 %ours, label %more, label %leave
more:
  %next = and i64 %word, 65535
  %shifted = lshr i64 %word, 16
  %total = and i64 %shifted, 65535
  %any = icmp ult i64 %next, %total
  br i1 %any, label %take, label %leave
take:
  %claimed = add i64 %word, 1
  %tried = cmpxchg ptr %call, i64 %word, i64 %claimed seq_cst seq_cst
  %got = extractvalue { i64, i1 } %tried, 1
  br i1 %got, label %work, label %look
work:
  %frame = load ptr, ptr %frame.p, align 8
  %status = call i64 @emberkeep_xla_part(ptr %frame, i64 %next)
  %noted = atomicrmw or ptr %failed, i64 %status seq_cst
  %counted = atomicrmw add ptr %done, i64 1 seq_cst
  br label %look
leave:
  ret void
}

; Run all parts on this thread; whether one has failed.
define internal i64 @alone(ptr %frame, i64 %parts) {
begin:
  br label %look
look:
  %index = phi i64 [ 0, %begin ], [ %after, %work ]
  %failed = phi i64 [ 0, %begin ], [ %noted, %work ]
  %any = icmp slt i64 %index, %parts
  br i1 %any, label %work, label %leave
work:
  %status = call i64 @emberkeep_xla_part(ptr %frame, i64 %index)
  %noted = or i64 %failed, %status
  %after = add i64 %index, 1
  br label %look
leave:
  ret i64 %failed
}

; Run all parts, with the help of XLA's threads where there are several; whether one has failed.
define internal i64 @all(ptr %frame, i64 %parts) {
begin:
  %task = alloca %Task, align 8
  %refusal = alloca %Refusal, align 8
  %several = icmp sgt i64 %parts, 1
  %few = icmp slt i64 %parts, 65536
  %shared = and i1 %several, %few
  br i1 %shared, label %find, label %alone
alone:
  %status = call i64 @alone(ptr %frame, i64 %parts)
  ret i64 %status
find:
  %taken = load atomic i64, ptr @places seq_cst, align 8
  %free = xor i64 %taken, -1
  %full = icmp eq i64 %free, 0
  br i1 %full, label %alone, label %reserve
reserve:
  %place = call i64 @llvm.cttz.i64(i64 %free, i1 true)
  %bit = shl i64 1, %place
  %with = or i64 %taken, %bit
  %tried = cmpxchg ptr @places, i64 %taken, i64 %with seq_cst seq_cst
  %got = extractvalue { i64, i1 } %tried, 1
  br i1 %got, label %open, label %find
open:
  %call = getelementptr [64 x %Call], ptr @calls, i64 0, i64 %place
  %done = getelementptr %Call, ptr %call, i32 0, i32 1
  %frame.p = getelementptr %Call, ptr %call, i32 0, i32 2
  %failed.p = getelementptr %Call, ptr %call, i32 0, i32 3
  store atomic i64 0, ptr %done seq_cst, align 8
  store atomic i64 0, ptr %failed.p seq_cst, align 8
  store ptr %frame, ptr %frame.p, align 8
  %last = load atomic i64, ptr %call seq_cst, align 8
  %last_turn = lshr i64 %last, 32
  %new_turn = add i64 %last_turn, 1
  %turn = and i64 %new_turn, 4294967295
  %high = shl i64 %turn, 32
  %size = shl i64 %parts, 16
  %word = or i64 %high, %size
  store atomic i64 %word, ptr %call seq_cst, align 8
  %turn_bits = shl i64 %turn, 6
  %ticket = or i64 %turn_bits, %place
  %data = inttoptr i64 %ticket to ptr
  %api.p = getelementptr %Frame, ptr %frame, i32 0, i32 2
  %api = load ptr, ptr %api.p, align 8
  %context.p = getelementptr %Frame, ptr %frame, i32 0, i32 3
  %context = load ptr, ptr %context.p, align 8
  %schedule.p = getelementptr %Api, ptr %api, i32 0, i32 8
  %schedule = load ptr, ptr %schedule.p, align 8
  store i64 40, ptr %task, align 8
  %task.extensions = getelementptr %Task, ptr %task, i32 0, i32 1
  store ptr null, ptr %task.extensions, align 8
  %task.context = getelementptr %Task, ptr %task, i32 0, i32 2
  store ptr %context, ptr %task.context, align 8
  %task.function = getelementptr %Task, ptr %task, i32 0, i32 3
  store ptr @help, ptr %task.function, align 8
  %task.data = getelementptr %Task, ptr %task, i32 0, i32 4
  store ptr %data, ptr %task.data, align 8
  br label %ask
ask:
  %helpers = phi i64 [ 1, %open ], [ %one_more, %asking ]
  %enough = icmp sge i64 %helpers, %parts
  br i1 %enough, label %work, label %asking
asking:
  %error = call ptr %schedule(ptr %task)
  %one_more = add i64 %helpers, 1
  %accepted = icmp eq ptr %error, null
  br i1 %accepted, label %ask, label %refused
refused:
  store i64 24, ptr %refusal, align 8
  %refusal.extensions = getelementptr %Refusal, ptr %refusal, i32 0, i32 1
  store ptr null, ptr %refusal.extensions, align 8
  %refusal.error = getelementptr %Refusal, ptr %refusal, i32 0, i32 2
  store ptr %error, ptr %refusal.error, align 8
  %destroy.p = getelementptr %Api, ptr %api, i32 0, i32 6
  %destroy = load ptr, ptr %destroy.p, align 8
  call void %destroy(ptr %refusal)
  br label %work
work:
  call void @help(ptr %data)
  br label %look
look:
  %finished = load atomic i64, ptr %done seq_cst, align 8
  %whole = icmp eq i64 %finished, %parts
  br i1 %whole, label %close, label %wait
wait:
  call void @emberkeep_xla_pause()
  br label %look
close:
  %problem = load atomic i64, ptr %failed.p seq_cst, align 8
  %kept = xor i64 %bit, -1
  %given = atomicrmw and ptr @places, i64 %kept seq_cst
  ret i64 %problem
}

; The handler. It gives null, or an error of XLA's.
define ptr @emberkeep_xla_handler(ptr %frame) {
begin:
  %problem = alloca %Error, align 8
  %extension.p = getelementptr %Frame, ptr %frame, i32 0, i32 1
  %extension = load ptr, ptr %extension.p, align 8
  %plain = icmp eq ptr %extension, null
  br i1 %plain, label %check, label %extended
extended:
  %kind.p = getelementptr %Extension, ptr %extension, i32 0, i32 1
  %kind = load i32, ptr %kind.p, align 4
  %asked = icmp eq i32 %kind, 1
  br i1 %asked, label %answer, label %check
answer:
  %metadata.p = getelementptr %Extension, ptr %extension, i32 0, i32 3
  %metadata = load ptr, ptr %metadata.p, align 8
  %major = getelementptr %Metadata, ptr %metadata, i32 0, i32 1, i32 2
  store i32 0, ptr %major, align 4
  %minor = getelementptr %Metadata, ptr %metadata, i32 0, i32 1, i32 3
  store i32 3, ptr %minor, align 4
  %traits = getelementptr %Metadata, ptr %metadata, i32 0, i32 2
  store i32 0, ptr %traits, align 4
  %state = getelementptr %Metadata, ptr %metadata, i32 0, i32 3
  store i64 0, ptr %state, align 8
  ret ptr null
check:
  %fits = call i1 @emberkeep_xla_fits(ptr %frame)
  br i1 %fits, label %run, label %fail
run:
  %parts = call i64 @emberkeep_xla_parts(ptr %frame)
  %status = call i64 @all(ptr %frame, i64 %parts)
  %failed = icmp ne i64 %status, 0
  br i1 %failed, label %fail, label %done
done:
  ret ptr null
fail:
  %text = phi ptr [ @emberkeep_xla_misfit, %check ], [ @emberkeep_xla_raised, %run ]
  %code = phi i32 [ 3, %check ], [ 13, %run ]
  %api.p = getelementptr %Frame, ptr %frame, i32 0, i32 2
  %api = load ptr, ptr %api.p, align 8
  %create.p = getelementptr %Api, ptr %api, i32 0, i32 4
  %create = load ptr, ptr %create.p, align 8
  store i64 28, ptr %problem, align 8
  %extensions = getelementptr %Error, ptr %problem, i32 0, i32 1
  store ptr null, ptr %extensions, align 8
  %message = getelementptr %Error, ptr %problem, i32 0, i32 2
  store ptr %text, ptr %message, align 8
  %number = getelementptr %Error, ptr %problem, i32 0, i32 3
  store i32 %code, ptr %number, align 4
  %error = call ptr %create(ptr %problem)
  ret ptr %error
}
