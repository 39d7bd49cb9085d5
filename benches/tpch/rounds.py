"""rounds.py <rounds> <binary> <tables> <answers> variant...  (variant: "mem each none" [env K=V ...])"""
import json,subprocess,sys,statistics,os,random
rounds,binary,tables,answers=sys.argv[1:5]; variants=sys.argv[5:]
res={v:[] for v in variants}
for r in range(int(rounds)):
    order=list(variants)
    if r: random.Random(r).shuffle(order)
    for v in order:
        words=v.split(); env=dict(os.environ)
        for w in words:
            if '=' in w: k,x=w.split('=',1); env[k]=x
        args=[w for w in words if '=' not in w]
        p=subprocess.run([binary,tables,answers,*args],env=env,capture_output=True,text=True)
        out=p.stdout.strip().splitlines()
        if p.returncode or not out or not out[0].startswith('{'):
            print(v,'FAILED',p.returncode,p.stderr[-600:],out[-3:]); continue
        for l in out[1:]: print(v,l)
        res[v].append(json.loads(out[0]))
for v,rs in res.items():
    if not rs: continue
    med=lambda k: statistics.median(x[k] for x in rs)
    steps={k:statistics.median(x['steps'][k] for x in rs) for k in rs[0]['steps']}
    print(f"{v:55s} wall {med('wall'):7.2f} (min {min(x['wall'] for x in rs):.2f}) cpu {med('cpu'):7.2f} (min {min(x['cpu'] for x in rs):.2f}) peak {med('peak'):6.0f}")
    if len(steps)>2: print('    ',' '.join(f"{k}:{s:.0f}" for k,s in steps.items()))
