"""Objects that are changed by the very code that they call: the interpreter survives, whatever comes of it.

A crash of the child is a sign of memory that was freed while it was used. No crash proves nothing: the types that are known
to be damaged without one are written in Python (test_rebuilt_types.py).
"""

from __future__ import annotations

import pytest

from tests.box.programs import Runner

PROGRAMS = {
    'an item of a bytearray': """
        class X:
          def __index__(s):
            b.clear(); global k; k=[bytes(900) for _ in range(50)]; return 65
        def main():
          global b
          for n in range(50):
            b=bytearray(1000)
            try: b[900]=X()
            except Exception as e: r=repr(e)
          return r
        """,
    'bytearray slice': """
        class X:
          def __index__(s):
            b.clear(); return 900
        def main():
          global b
          b=bytearray(1000); b[X()]=1

        """,
    'bytearray extend': """
        def g():
          for i in range(100):
            if i==50: b.clear()
            yield i
        def main():
          global b
          b=bytearray(10); b.extend(g()); return len(b)
        """,
    'bytearray init': """
        def g():
          for i in range(5000):
            if i%7==0: b.__init__(3)
            yield 1
        def main():
          global b
          b=bytearray(10); b.__init__(g()); return len(b)
        """,
    'bytearray pop/insert/append': """
        class X:
          def __index__(s):
            b.clear(); return 5
        def main():
          global b
          out=[]
          for f in (lambda: b.insert(X(),X()), lambda: b.append(X()), lambda: b.pop(X()), lambda: b.remove(X()), lambda: b.find(X()), lambda: X() in b, lambda: b.count(X(), X(), X()), lambda: b.rindex(5, X()), lambda: b.startswith(b'a', X()), lambda: b.translate(None, b), lambda: b.split(b'a', X()), lambda: b.replace(b'a', b'b', X()), lambda: b.hex('-', X()), lambda: b.center(X()), lambda: b.zfill(X()), lambda: b.expandtabs(X()), lambda: b*X()):
            b=bytearray(b'abc'*1000)
            try: f()
            except Exception as e: out.append(type(e).__name__)
          return out
        """,
    'memoryview': """
        class X:
          def __index__(s):
            m.release(); b.clear(); return 5
        def main():
          global b,m
          out=[]
          for f in (lambda: m.__setitem__(X(),1), lambda: m.__setitem__(1,X()), lambda: m[X()], lambda: m[X():], lambda: m.__setitem__(slice(X(),8), b'abc'), lambda: m.cast('B', [X(), 1]), lambda: m.hex('-', X()), lambda: m.tobytes(), lambda: m.cast('b').__setitem__(3,X())):
            b=bytearray(1000); m=memoryview(b)
            try: f()
            except Exception as e: out.append(type(e).__name__)
          return out
        """,
    'memoryview float': """
        class X:
          def __float__(s):
            m.release(); b.clear(); return 5.0
        def main():
          global b,m
          b=bytearray(1000); m=memoryview(b).cast('d')
          try: m[50]=X()
          except Exception as e: return repr(e)
        """,
    'memoryview eq': """
        class X:
          def __eq__(s,o):
            m.release(); return True
        def main():
          global m
          m=memoryview(bytearray(1000)); return [m==X(), X() in [1], m.tobytes()==b'']
        """,
    'csv': """
        import csv
        def g():
          global n
          while 1:
            n+=1
            if n<50: next(r)
            yield 'a,"b\\n'
        def main():
          global r,n
          n=0; r=csv.reader(g())
          try: return next(r)
          except Exception as e: return repr(e)
        """,
    'csv2': """
        import csv
        class I:
          def __iter__(s): return s
          def __next__(s):
            global n
            n+=1
            if n==3:
              try: next(r)
              except StopIteration: pass
            if n>6: raise StopIteration
            return 'a,"b'
        def main():
          global r,n
          n=0; r=csv.reader(I())
          return next(r)
        """,
    'deque': """
        import collections
        class X:
          def __eq__(s,o): d.clear(); d.extend(range(10)); return False
          __lt__=__eq__
          __hash__=None
        def main():
          global d
          out=[]
          for f in (lambda: d.remove(1), lambda: d.index(1), lambda: d.count(1), lambda: 1 in d, lambda: d==collections.deque([X()]*200), lambda: d<collections.deque([X()]*200)):
            d=collections.deque([X() for _ in range(200)])
            try: f()
            except Exception as e: out.append(type(e).__name__)
          return out
        """,
    'list': """
        class X:
          def __eq__(s,o): l.clear(); return False
          def __lt__(s,o): l.clear(); return False
          def __hash__(s): return 1
        def main():
          global l
          out=[]
          import bisect,heapq
          for f in (lambda: l.remove(1), lambda: l.index(1), lambda: l.count(1), lambda: 1 in l, lambda: l==[X()]*200, lambda: l<[X()]*200, lambda: l.sort(), lambda: sorted(l), lambda: bisect.insort(l,X()), lambda: heapq.heapify(l), lambda: heapq.heappop(l), lambda: heapq.heappush(l,X()), lambda: heapq.heapreplace(l,X()), lambda: max(l), lambda: min(l), lambda: heapq.nsmallest(3,l), lambda: heapq.heappushpop(l,X())):
            l=[X() for _ in range(200)]
            try: f()
            except Exception as e: out.append(type(e).__name__)
          return out
        """,
    'set': """
        class X:
          def __init__(s,n): s.n=n
          def __eq__(s,o):
            global armed
            if armed: armed=False; a.clear(); b.clear()
            return False
          def __hash__(s): return s.n%3
        def main():
          global a,b,armed
          out=[]
          for f in (lambda: a&b, lambda: a|b, lambda: a-b, lambda: a^b, lambda: a<=b, lambda: a==b, lambda: a.update(b), lambda: a.difference_update(b), lambda: a.symmetric_difference_update(b), lambda: a.intersection_update(b), lambda: a.isdisjoint(b), lambda: a.remove(X(1)), lambda: X(1) in a, lambda: frozenset(a)|b, lambda: a.copy()):
            armed=False; a={X(i) for i in range(40)}; b={X(i) for i in range(40)}; armed=True
            try: f()
            except Exception as e: out.append(type(e).__name__)
          return out
        """,
    'dict': """
        class X:
          def __init__(s,n): s.n=n
          def __eq__(s,o):
            global armed
            if armed: armed=False; a.clear(); b.clear()
            return False
          def __hash__(s): return s.n%3
        def main():
          global a,b,armed
          out=[]
          import collections
          for T in (dict, collections.OrderedDict, lambda x: collections.defaultdict(list,x), collections.Counter):
           for f in (lambda: a==b, lambda: a|b, lambda: a.update(b), lambda: a.get(X(1)), lambda: a.pop(X(1)), lambda: a.setdefault(X(1),1), lambda: a.keys()&b.keys(), lambda: a.items()==b.items(), lambda: dict.fromkeys(a), lambda: a.keys()-b.keys(), lambda: a.copy(), lambda: a.items()|b.items()):
            armed=False; a=T({X(i):i for i in range(40)}); b=T({X(i):i for i in range(40)}); armed=True
            try: f()
            except Exception as e: out.append(type(e).__name__)
          return len(out)
        """,
    'json': """
        import json
        class X: pass
        def d(o):
          l.clear(); return 1
        def main():
          global l
          l=[X() for _ in range(100)]; json.dumps(l,default=d)
          l={i:X() for i in range(100)}
          try: json.dumps(l,default=d)
          except Exception as e: return repr(e)
        """,
    'json2': """
        import json
        class S(str): pass
        class I(int):
          def __repr__(s): l.clear(); return '1'
        class F(float):
          def __repr__(s): l.clear(); return '1.0'
        def main():
          global l
          for T in (I,F):
            l=[[T(3)] for _ in range(100)]; json.dumps(l, indent=None)
            l={T(3):1}; json.dumps(l)
          return 1
        """,
    'bytesio': """
        import io
        class It:
          def __iter__(s):
            for i in range(20):
              f.seek(0); f.truncate(); f.write(b'x'*i*100); yield b'y'*500
        def main():
          global f
          f=io.BytesIO(b'a'*1000); f.writelines(It())
          m=f.getbuffer()
          try: f.truncate(0)
          except BufferError: pass
          try: f.__init__(b'')
          except BufferError: pass
          m[0]=1
          return len(f.getvalue())
        """,
    'pack_into': """
        import struct,io
        class X:
          def __index__(s):
            try: b.clear()
            except BufferError: pass
            return 1
        def main():
          global b
          b=bytearray(1000); struct.pack_into('200i', b, 0, *[X()]*200); return len(b)
        """,
    'iterators that are asked while they ask': """
        import itertools
        class X:
          def __iter__(s): return s
          def __next__(s):
            global n
            n+=1
            if n<30:
              try: return next(z)
              except Exception: return 1
            raise StopIteration
        def main():
          global z,n
          out=[]
          for mk in (lambda: zip(X(),X()), lambda: itertools.zip_longest(X(),X()), lambda: map(lambda *a:a, X(),X()), lambda: itertools.chain(X(),X()), lambda: itertools.tee(X())[0], lambda: itertools.groupby(X()), lambda: itertools.accumulate(X()), lambda: itertools.cycle(X()), lambda: itertools.islice(X(),100), lambda: itertools.pairwise(X()), lambda: enumerate(X()), lambda: filter(None,X()), lambda: itertools.starmap(max,X()), lambda: itertools.compress(X(),X()), lambda: itertools.takewhile(bool,X())):
            n=0; z=mk()
            try:
              for _ in range(50): next(z)
            except BaseException as e: out.append(type(e).__name__)
          return out
        """,
    'sums and joins': """
        class X:
          def __radd__(s,o): l.clear(); return 1
          __add__=__radd__
          def __index__(s): l.clear(); return 1
        def main():
          global l
          out=[]
          for f in (lambda: sum(l), lambda: bytes(l), lambda: bytearray(l), lambda: ''.join(l), lambda: all(l), lambda: tuple(map(int,l)), lambda: int.from_bytes(l,'big'), lambda: list(map(hex,l)), lambda: '%d %d'%tuple(l[:2]), lambda: range(*l[:3]), lambda: chr(l[0])):
            l=[X() for _ in range(200)]
            try: f()
            except Exception as e: out.append(type(e).__name__)
          return out
        """,
    'decimal': """
        import decimal
        def main():
          c=decimal.Context(); f=c.flags; t=c.traps; del c
          out=[len(f), len(t)]
          for i in range(200): decimal.Context(prec=i+1)
          try: out.append(dict(f)==dict(t))
          except Exception as e: out.append(repr(e))
          try:
            for k in f: f[k]=True
          except Exception as e: out.append(repr(e))
          return [str(x) for x in out]
        """,
    'generator': """
        def g():
          try: g2.send(None)
          except ValueError as e: yield str(e)
        def main():
          global g2
          g2=g(); return next(g2)
        """,
    'partial repr': """
        import functools
        class X:
          def __repr__(s):
            p.keywords.clear() if p.keywords else None
            return 'x'
        def main():
          global p
          p=functools.partial(print, X(), a=X(), b=X(), c=X()); return repr(p)
        """,
    'lru': """
        import functools
        class K:
          def __init__(s,n): s.n=n
          def __hash__(s): return 1
          def __eq__(s,o):
            global n
            n+=1
            if n%3==0: f.cache_clear()
            return False
        @functools.lru_cache(maxsize=4)
        def f(k): return 1
        def main():
          global n
          n=0
          for i in range(200): f(K(i))
          return n
        """,
    'random': """
        import random
        def main():
          r=random.Random()
          out=[]
          for s in ((3,(1,)*624+(10**6,),None),(3,(1,)*624+(-1,),None),(3,(1,)*3,None),(3,(2**40,)*625,None)):
            try: r.setstate(s); out.append(r.random()>=0)
            except Exception as e: out.append(type(e).__name__)
          return out
        """,
    're': """
        import re
        class S(str): pass
        def main():
          b=bytearray(b'ab'*1000)
          out=[]
          def f(m):
            try: b.clear()
            except BufferError: out.append(1)
            return b'x'
          re.sub(b'a', f, b); it=re.finditer(b'a', b)
          try: b.clear()
          except BufferError: out.append(2)
          return out[-1]
        """,
    'simplenamespace': """
        import types
        class X:
          def __repr__(s): vars(n).clear(); return 'x'
          def __eq__(s,o): vars(n).clear(); return False
        def main():
          global n
          n=types.SimpleNamespace(**{str(i):X() for i in range(50)}); repr(n)
          n=types.SimpleNamespace(**{'a'+str(i):X() for i in range(50)}); return n==types.SimpleNamespace(a1=1)
        """,
    'exception': """
        class X(Exception):
          def __str__(s): s.args=(); return 'x'
        def main():
          e=OSError(1,'a','b'); e.__init__(2,'c'); e.args=(); str(e); u=UnicodeDecodeError('utf-8',b'abc',0,1,'r'); u.start=10**9; u.end=-5; str(u); u.object=b''; str(u)
          k=UnicodeEncodeError('u','abc',0,1,'r'); k.object=''; k.start=50; str(k); s=SyntaxError('a',('f',1,1,'t')); s.lineno='x'; str(s)
          return 1
        """,
    "islice that ends while it skips": """
        import itertools
        class It:
          n=0
          def __iter__(s): return s
          def __next__(s):
            It.n+=1
            if It.n==1:
              try: next(a)
              except StopIteration: pass
            if It.n==2: raise StopIteration
            return It.n
        a=itertools.islice(It(), 500, 1000)
        def main(): return list(a)
        """,
    "filters that end while they are asked": """
        import itertools
        class It:
          def __init__(s): s.n=0
          def __iter__(s): return s
          def __next__(s):
            s.n+=1
            if s.n==2: raise StopIteration
            return s.n
        def f(x):
          if x==1: next(a, None)
          return False
        def main():
          global a
          out=[]
          for make in (itertools.chain, itertools.cycle, itertools.pairwise, lambda it: itertools.zip_longest(it, range(5)), lambda it: itertools.chain.from_iterable([it]), lambda it: itertools.islice(it, 9)):
            for _ in range(20):
              a=make(filter(f, It()))
              try: next(a)
              except (StopIteration, ValueError) as e: out.append(type(e).__name__)
          return out
        """,
    "a sum that is asked for the next one": """
        import itertools
        class A:
          def __float__(s): return 0.0
          def __add__(s,o):
            global armed
            if armed:
              armed=False
              try: next(a)
              except ValueError: pass
            return A()
        def main():
          global a, armed
          for make in (lambda: itertools.count(A()), lambda: itertools.accumulate(A() for _ in range(9))):
            armed=False; a=make(); next(a); armed=True
            kept=[next(a), next(a)]; del kept
          return 1
        """,
    "csv that is asked for a row by a line": """
        import csv
        class It:
          n=0
          def __iter__(s): return s
          def __next__(s):
            It.n+=1
            if It.n==2:
              try: next(r)
              except Exception: pass
              return 'd"'
            if It.n>5: raise StopIteration
            return 'a,b,"c' if It.n==1 else 'x,y'*100
        r=csv.reader(It())
        def main(): return len(list(r))
        """,
    'a __get__ that takes itself out of its class': """
        import functools
        def f(*a):
          if hasattr(D, '__get__'): del D.__get__
          for n in range(20, 300, 8): keep.extend(bytes(bytearray(n)) for _ in range(20))
          return 1
        class D: pass
        class E: pass
        keep=[]
        def main():
          D.__get__=functools.lru_cache(f)
          E.x=D(); return E().x
        """,
    'reversed': """
        fill=b'A'*90
        class E:
          def __hash__(s): return 0
          def __eq__(s,o):
            global depth
            depth+=1
            if depth==1:
              try: next(r)
              except KeyError: pass
              global k; k=[fill+fill for _ in range(300)]; return True
            raise KeyError
        class S(set):
          __slots__=()
          __getitem__=set.remove
          def __len__(s): return 1
        def main():
          global r,depth
          depth=0; r=reversed(S([E()]))
          return next(r)
        """,
}  # fmt: skip

NAMESPACE = """
    import copy, types
    class N(types.SimpleNamespace):
        def __new__(cls, *given): return object.__new__(cls) if given else 1.5
    def main():
        found = types.SimpleNamespace.__new__(N)
        out = []
        for replace in (lambda: found.__replace__(a=1), lambda: types.SimpleNamespace.__replace__(found, a=1), lambda: copy.replace(found, a=1)):
            try: repr(replace())
            except (TypeError, AttributeError) as e: out.append(type(e).__name__)
        return out
    """


def test_a_namespace_is_not_replaced_by_what_is_none(run: Runner) -> None:
    assert set(run.answer(NAMESPACE)) <= {"TypeError", "AttributeError"}


def test_a_special_method_of_a_class_is_not_changed_in_place(run: Runner) -> None:
    """What it is by then, nothing would hold: a generator stops between the look at it and the change."""
    program = """
        class C: __len__ = 1
        def change(): C.__len__ += yield
        def main():
            C.__doc__, C.other = "a", 1
            C.__doc__ += "b"
            C.other += 1
            if (C.__doc__, C.other) == ("ab", 2): next(change())
        """
    assert run.failure(program).message == "'__len__' of a class can't be changed in place in the sandbox"


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=list(PROGRAMS))
def test_the_interpreter_survives(run: Runner, program: str) -> None:
    assert run.problems(program) == []
    failure = run.verdict(program).failure
    assert failure is None or failure.type in ("IndexError", "ValueError")


def test_a_write_beyond_the_end_is_refused(run: Runner) -> None:
    assert "IndexError" in run.answer(PROGRAMS["an item of a bytearray"])
