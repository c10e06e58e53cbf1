/* Two halves of a partial failover, and controllers that die, wake up late and take over (Promela, for Spin).

   The provider's appliance serves the replicas' addresses; the tenant's answers for them in production and relies on
   it. Each change waits for its confirmation and is taken back by a timer. Any message may be lost on its way there or
   on its way back. A controller may die between any two of its acts, or only be taken for dead and act on.

   What the controllers do so that no address is answered for where nobody serves it, and so that what a run says of
   itself is so. Each law can be left out (-DNO_FENCE and so on); `make model` shows for each that it is needed:

     FENCE     a successor raises the epoch at both appliances, and builds on neither that has not answered
     WITHIN    the tenant's half is applied only while the provider's is sure to outlast it
     NESTED    the tenant's deadline ends before the provider's
     SERVED    the provider's half is confirmed first
     RELIED    the tenant's half is taken back first
     SILENCE   the provider's half is not taken back before the tenant's appliance was heard to rely on it no more
     BEGUN     what a stage may have done that was under way when its controller died is taken back too
     LATE      a confirmation that comes too late has failed                                                         */

#define P 0 /* the provider's appliance */
#define T 1 /* the tenant's appliance */

#ifndef CONTROLLERS
#define CONTROLLERS 2
#endif

#ifdef NO_SERVED
#define FIRST T
#define SECOND P
#else
#define FIRST P
#define SECOND T
#endif

/* An appliance: whether its document is that of the failover, whether it awaits confirmation and whose change that is,
   what it goes back to, and the highest epoch that it accepted. */
bool on[2], awaits[2], before[2];
byte whose[2], epoch[2];

/* The store: the newest epoch, the stages that are through, and whose changes they left awaiting. */
byte newest, through;
byte left[2];

/* How the newest controller's run ended, and how many controllers act. */
mtype = { OPEN, DONE, TAKEN_BACK, STANDS };
mtype ended = OPEN;
byte acting;

mtype = { OK, FAILED, SUPERSEDED, NOT_AWAITING };

/* One call, and how it looks to the caller: lost on its way there, answered, or the answer lost. An `else` that could
   be an option of the outer `if` would never be taken, hence the skip. */
#define CALL(effect) \
  if \
  :: answer = FAILED \
  :: skip; effect; \
     if \
     :: skip \
     :: answer != SUPERSEDED -> answer = FAILED \
     fi \
  fi

inline fence(h) {
  atomic {
    if
    :: epoch[h] > me -> answer = SUPERSEDED
    :: else -> epoch[h] = me; answer = OK
    fi
  }
}

/* A change that somebody left awaiting is cancelled to make way. */
inline apply(h, to) {
  atomic {
    if
    :: epoch[h] > me -> answer = SUPERSEDED
#ifndef NO_WITHIN
    :: epoch[h] <= me && h == T && to && !on[P] -> answer = FAILED
    :: epoch[h] <= me && (h == P || !to || on[P]) ->
#else
    :: epoch[h] <= me ->
#endif
       if
       :: awaits[h] -> on[h] = before[h]
       :: else -> skip
       fi;
       before[h] = on[h]; on[h] = to; awaits[h] = to; whose[h] = (to -> me : 0); epoch[h] = me; answer = OK
    fi
  }
}

inline confirm(h) {
  atomic {
    if
    :: epoch[h] > me -> answer = SUPERSEDED
    :: epoch[h] <= me && whose[h] == mine[h] && on[h] -> awaits[h] = false; epoch[h] = me; answer = OK
    :: else -> answer = NOT_AWAITING
    fi
  }
}

inline cancelled(h) {
  atomic {
    if
    :: epoch[h] > me -> answer = SUPERSEDED
    :: epoch[h] <= me && awaits[h] && whose[h] == mine[h] ->
       on[h] = before[h]; awaits[h] = false; epoch[h] = me; answer = OK
    :: else -> answer = NOT_AWAITING
    fi
  }
}

/* Cancelled while it awaits confirmation, else the document before is applied. */
inline take_back(h) {
  answer = NOT_AWAITING;
  if
  :: mine[h] != 0 -> CALL(cancelled(h))
  :: else -> skip
  fi;
  if
  :: answer == NOT_AWAITING -> CALL(apply(h, false))
  :: else -> skip
  fi;
  if
  :: answer == SUPERSEDED -> goto out
  :: else -> heard[h] = (answer == OK)
  fi
}

/* Whoever has answered the fence obeys no controller before this one any more. */
inline ask(h) {
  CALL(fence(h));
  if
  :: answer == SUPERSEDED -> goto out
  :: else -> heard[h] = (answer == OK)
  fi
}

/* Nothing is built on an appliance that may still obey another controller. */
inline hear(h) {
  if
  :: !heard[h] -> ask(h)
  :: else -> skip
  fi;
  if
  :: !heard[h] -> goto back
  :: else -> skip
  fi
}

/* A failed step is taken back; without an answer nobody knows what was done. */
inline obey(h) {
  if
  :: answer == SUPERSEDED -> goto out
  :: answer == FAILED -> heard[h] = false; goto back
#ifdef NO_LATE
  :: answer == NOT_AWAITING -> skip
#else
  :: answer == NOT_AWAITING -> goto back
#endif
  :: answer == OK -> heard[h] = true
  fi
}

/* A stage is through, unless another controller has the run. */
inline remember(number) {
  atomic {
    if
    :: newest > me -> goto out
    :: else -> through = number; stage = number; left[P] = mine[P]; left[T] = mine[T]
    fi
  }
}

inline end_as(how) {
  atomic {
    if
    :: newest == me -> ended = how
    :: else -> skip
    fi
  }
}

inline may_die() {
  if
  :: skip
  :: goto out
  fi
}

/* `stop`: somebody asked that the run stop; it is taken back instead of carried on. */
proctype Controller(bool stop) {
  mtype answer = OK;
  byte me, stage, mine[2];
  bool heard[2]; /* whether the appliance answered, so that it obeys no controller before this one */

  atomic {
    newest++; me = newest; ended = OPEN; stage = through; mine[P] = left[P]; mine[T] = left[T];
    heard[P] = (me == 1); heard[T] = (me == 1)
  }
#ifdef NO_FENCE
  heard[P] = true; heard[T] = true;
#else
  if
  :: me > 1 -> ask(T); ask(P)
  :: else -> skip
  fi;
#endif
  if
  :: stop -> goto back
  :: else -> skip
  fi;
  do
  :: stage == 0 ->
     may_die(); CALL(apply(P, true));
     if :: answer == OK -> mine[P] = me :: else -> skip fi;
     obey(P); may_die(); remember(1)
  :: stage == 1 ->
     hear(P); may_die(); CALL(apply(T, true));
     if :: answer == OK -> mine[T] = me :: else -> skip fi;
     obey(T); may_die(); remember(2)
  :: stage == 2 -> may_die(); CALL(confirm(FIRST)); obey(FIRST); may_die(); remember(3)
  :: stage == 3 -> may_die(); CALL(confirm(SECOND)); obey(SECOND); may_die(); remember(4)
  :: stage == 4 -> end_as(DONE); goto out
  od;

back:
#ifdef NO_RELIED
  may_die(); take_back(P);
#endif
#ifdef NO_BEGUN
#define MAY_RELY (stage >= 2 || mine[T] != 0 || (me == 1 && !heard[T]))
#else
#define MAY_RELY (stage >= 1 || !heard[T])
#endif
  if
  :: MAY_RELY -> may_die(); take_back(T)
  :: else -> skip
  fi;
#ifndef NO_SILENCE
  if
  :: !heard[T] -> end_as(STANDS); goto out
  :: else -> skip
  fi;
#endif
#ifndef NO_RELIED
  may_die(); take_back(P);
#endif
  if
  :: heard[P] && heard[T] -> end_as(TAKEN_BACK)
  :: else -> end_as(STANDS)
  fi;

out:
  acting--
}

/* Deadlines pass. */
active proctype Timers() {
end:
  do
  :: atomic { awaits[T] -> on[T] = before[T]; awaits[T] = false }
#ifdef NO_NESTED
  :: atomic { awaits[P] -> on[P] = before[P]; awaits[P] = false }
#else
  :: atomic { awaits[P] && !awaits[T] -> on[P] = before[P]; awaits[P] = false }
#endif
  od
}

/* One controller begins; others take over, when the one before is gone or only seems to be, or failed. */
init {
  byte next = 1;
  atomic { acting++; run Controller(false); next = 2 };
  do
  :: next <= CONTROLLERS && ended == OPEN -> atomic { acting++; run Controller(false); next++ }
  :: next <= CONTROLLERS && (ended == OPEN || ended == STANDS) ->
     atomic { acting++; run Controller(true); next++ }
  :: break
  od
}

#define settled (acting == 0 && !awaits[P] && !awaits[T])

/* No address is answered for where nobody serves it. */
ltl served { [] (!on[T] || on[P]) }
/* What the run says of itself is so, once nothing is under way. */
ltl told { [] (settled -> ((ended != DONE || (on[P] && on[T])) && (ended != TAKEN_BACK || (!on[P] && !on[T])))) }
